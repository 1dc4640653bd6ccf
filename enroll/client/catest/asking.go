package catest

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

// An Asking is a machine that waits for a person.
type Asking struct {
	Code string
	Role string // asked for

	path    string // role/name, once it is approved
	denied  bool
	pending api.Pending
	bought  *Record
}

// PollAfter is how many seconds a machine that waits is told to wait.
const PollAfter = 20

// Asking returns who waits.
func (s *Server) Asking() (all []Asking) {
	s.Lock()
	defer s.Unlock()
	for _, a := range s.asking {
		if a.path == "" && !a.denied {
			all = append(all, *a)
		}
	}
	return all
}

// Approve lets the machine with that code be role/name; no name: it is denied.
func (s *Server) Approve(code, path string) {
	s.Lock()
	defer s.Unlock()
	for _, a := range s.asking {
		if a.Code == code {
			a.path, a.denied = path, path == ""
		}
	}
}

// Lapse forgets who waits.
func (s *Server) Lapse() {
	s.Lock()
	defer s.Unlock()
	clear(s.asking)
}

// Birth lets whoever has the key of that birth certificate be role/name.
func (s *Server) Birth(cert *x509.Certificate, path string) {
	s.Lock()
	defer s.Unlock()
	s.births[string(cert.Raw)] = path
}

// enrollWithout answers who has no token.
func (s *Server) enrollWithout(w http.ResponseWriter, r *http.Request) {
	req, body := s.request(w, r)
	if req == nil {
		return
	}
	if len(r.TLS.PeerCertificates) > 0 {
		if path, ok := s.births[string(r.TLS.PeerCertificates[0].Raw)]; ok {
			s.reply(w, s.issue(path, "", req), body.Since)
			return
		}
	}
	if !body.Ask {
		Refuse(w, api.NewProblem(http.StatusUnauthorized, api.ProblemUnauthenticated, "nothing to know you by"))
		return
	}
	spki := req.RawSubjectPublicKeyInfo
	a := s.asking[string(spki)]
	if a == nil {
		nonce := make([]byte, api.NonceSize)
		rand.Read(nonce)
		a = &Asking{Code: api.Code(spki, nonce), Role: body.Role, pending: api.Pending{
			RequestID: "r", Nonce: base64.RawURLEncoding.EncodeToString(nonce), PollAfter: PollAfter, Expires: time.Now().Add(24 * time.Hour),
		}}
		a.pending.Code = a.Code
		s.asking[string(spki)] = a
	}
	switch {
	case a.denied:
		Refuse(w, api.NewProblem(http.StatusForbidden, api.ProblemDenied, "a person said no"))
	case a.path == "":
		w.Header().Set("Content-Type", api.MediaJSON)
		w.Header().Set("Retry-After", "20")
		w.WriteHeader(http.StatusAccepted)
		json.NewEncoder(w).Encode(a.pending)
	default:
		if a.bought == nil {
			a.bought = s.issue(strings.TrimPrefix(a.path, "/"), "", req)
		}
		s.reply(w, a.bought, body.Since)
	}
}

// Remember makes cert one that the Server issued to role/name.
func (s *Server) Remember(cert *x509.Certificate, path string) {
	s.Lock()
	defer s.Unlock()
	s.issued[Serial(cert)] = &Record{Certificate: cert, Path: path}
}
