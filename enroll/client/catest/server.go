package catest

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

// A Server is a CA that listens. Its fields may be changed under Lock while it
// runs; its methods lock for themselves.
type Server struct {
	*Issuer
	URL string

	sync.Mutex
	// Lifetime is how long a certificate lives, RenewAfter how long after its
	// issue its holder shall renew it.
	Lifetime, RenewAfter time.Duration
	// Intercept, if set, sees each request first, and answers it if it returns
	// true.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
	// DropReplies makes that many next answers of enroll and renew get lost: the
	// certificate is issued, and the connection breaks.
	DropReplies int
	// Since is how many entries the callers of enroll and renew held the log to.
	Since []int64
	// Forks counts parents that asked with a second key.
	Forks int
	// Grace is how long after its end a certificate may still be renewed.
	Grace time.Duration
	// Denied are those who get nothing more, role/name, and why.
	Denied map[string]string
	// RefuseForks says that a parent gets no second key certified.
	RefuseForks bool
	// Log is the CA's log.
	Log *Log

	t      testing.TB
	seen   []string
	tokens map[[16]byte]*token
	issued map[string]*Record // by serial
	births map[string]string  // role/name by birth certificate
	asking map[string]*Asking // by key
}

type token struct {
	role, name string // name "*": what the CSR proposes
	bought     *Record
}

// A Record is a certificate that the Server issued.
type Record struct {
	Certificate *x509.Certificate
	Path        string // role/name
	Parent      string // serial
	Child       *Record
	Confirmed   bool
}

// New starts a Server for hospital.example on a loopback port until the test
// ends.
func New(t testing.TB) *Server {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return Serve(t, ln)
}

// Serve is [New] on a listener of the test's own.
func Serve(t testing.TB, ln net.Listener) *Server {
	const trustDomain = "hospital.example"
	s := &Server{
		Issuer: NewIssuer(t, trustDomain), URL: "https://" + ln.Addr().String(),
		Lifetime: 24 * time.Hour, RenewAfter: 14 * time.Hour, Log: NewLog(t, trustDomain+"/log"),
		t: t, tokens: make(map[[16]byte]*token), issued: make(map[string]*Record),
		Denied: make(map[string]string), births: make(map[string]string), asking: make(map[string]*Asking),
	}
	own := s.Certificate(t, "ca/test", func(c *x509.Certificate) { c.NotAfter = s.Root.NotAfter })
	srv := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &own, nil },
		ClientAuth:     tls.RequestClientCert,
		MinVersion:     tls.VersionTLS13,
	}}
	done := make(chan struct{})
	go func() {
		srv.ServeTLS(ln, "", "")
		close(done)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return s
}

// Token makes a join token for role/name; the name "*" admits whatever name the
// CSR proposes.
func (s *Server) Token(role, name string) api.JoinToken {
	s.Lock()
	defer s.Unlock()
	tok := api.NewJoinToken(sha256.Sum256(s.Root.Raw))
	s.tokens[tok.ID()] = &token{role: role, name: name}
	return tok
}

// Issued returns what was issued, by serial.
func (s *Server) Issued() map[string]Record {
	s.Lock()
	defer s.Unlock()
	all := make(map[string]Record, len(s.issued))
	for serial, r := range s.issued {
		all[serial] = *r
	}
	return all
}

// Seen returns the requests until now, as "METHOD path".
func (s *Server) Seen() []string {
	s.Lock()
	defer s.Unlock()
	return slices.Clone(s.seen)
}

// ServeHTTP answers the native API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.Path)
	intercept := s.Intercept
	s.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	s.Lock()
	defer s.Unlock()
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, api.PathRoots):
		sum := sha256.Sum256(s.Root.Raw)
		if path != api.PathRoots+hex.EncodeToString(sum[:]) {
			Refuse(w, api.NewProblem(http.StatusNotFound, api.ProblemNotFound, "no such root"))
			return
		}
		io.WriteString(w, PEM(s.Root))
	case path == api.PathEnroll:
		s.enroll(w, r)
	case path == api.PathRenew:
		s.renew(w, r, false)
	case path == api.PathRenewLate:
		s.renew(w, r, true)
	case path == api.PathConfirm:
		if rec := s.holder(r, false); rec != nil {
			rec.Confirmed = true
			w.WriteHeader(http.StatusNoContent)
			return
		}
		Refuse(w, api.NewProblem(http.StatusUnauthorized, api.ProblemUnauthenticated, "no good certificate"))
	case path == api.PathCheckpoint:
		since, _ := strconv.ParseInt(r.FormValue("since"), 10, 64)
		json.NewEncoder(w).Encode(s.Log.Checkpoint(since))
	}
}

// Rewrite answers a renewal, for an Intercept that changes what it says.
func (s *Server) Rewrite(w http.ResponseWriter, r *http.Request, change func(*api.EnrollResponse)) {
	s.Lock()
	defer s.Unlock()
	rec := httptest.NewRecorder()
	s.renew(rec, r, false)
	var resp api.EnrollResponse
	require.NoError(s.t, json.Unmarshal(rec.Body.Bytes(), &resp))
	change(&resp)
	w.WriteHeader(rec.Code)
	json.NewEncoder(w).Encode(resp)
}

func (s *Server) enroll(w http.ResponseWriter, r *http.Request) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		s.enrollWithout(w, r)
		return
	}
	parsed, err := api.ParseToken(text)
	tok := s.tokens[parsed.ID()]
	if err != nil || tok == nil {
		Refuse(w, api.NewProblem(http.StatusUnauthorized, api.ProblemUnauthenticated, "token unknown, expired or already used"))
		return
	}
	req, body := s.request(w, r)
	if req == nil {
		return
	}
	since := body.Since
	if tok.bought != nil {
		if string(tok.bought.Certificate.RawSubjectPublicKeyInfo) != string(req.RawSubjectPublicKeyInfo) {
			Refuse(w, api.NewProblem(http.StatusConflict, api.ProblemReused, "the token was used with another key"))
			return
		}
		s.reply(w, tok.bought, since)
		return
	}
	path := tok.role + "/" + tok.name
	if tok.name == "*" {
		if len(req.URIs) != 1 {
			Refuse(w, api.NewProblem(http.StatusForbidden, api.ProblemDenied, "the request proposes no name"))
			return
		}
		path = strings.TrimPrefix(req.URIs[0].Path, "/")
	}
	tok.bought = s.issue(path, "", req)
	s.reply(w, tok.bought, since)
}

func (s *Server) renew(w http.ResponseWriter, r *http.Request, late bool) {
	parent := s.holder(r, late)
	if parent == nil {
		Refuse(w, api.NewProblem(http.StatusUnauthorized, api.ProblemUnauthenticated, "no good certificate"))
		return
	}
	if why, ok := s.Denied[parent.Path]; ok {
		Refuse(w, api.NewProblem(http.StatusForbidden, api.ProblemDenied, why))
		return
	}
	if over := time.Since(parent.Certificate.NotAfter); late && (over < 0 || over > s.Grace) {
		Refuse(w, api.NewProblem(http.StatusForbidden, api.ProblemDenied, "the grace of the role is over, or has not begun"))
		return
	}
	req, body := s.request(w, r)
	if req == nil {
		return
	}
	since := body.Since
	if child := parent.Child; child != nil {
		if !child.Confirmed && string(child.Certificate.RawSubjectPublicKeyInfo) == string(req.RawSubjectPublicKeyInfo) {
			s.reply(w, child, since)
			return
		}
		s.Forks++
		if s.RefuseForks {
			Refuse(w, api.NewProblem(http.StatusForbidden, api.ProblemForked, "the certificate was renewed again after its child was in use"))
			return
		}
	}
	parent.Child = s.issue(parent.Path, Serial(parent.Certificate), req)
	s.reply(w, parent.Child, since)
}

// holder is the record of the certificate that the caller presented, if it is
// ours and in time, or late.
func (s *Server) holder(r *http.Request, late bool) *Record {
	if len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	cert := r.TLS.PeerCertificates[0]
	rec := s.issued[Serial(cert)]
	if rec == nil || !rec.Certificate.Equal(cert) || !late && time.Now().After(cert.NotAfter) {
		return nil
	}
	return rec
}

func (s *Server) request(w http.ResponseWriter, r *http.Request) (*x509.CertificateRequest, api.Body) {
	body, err := api.ReadBody(w, r)
	if err != nil {
		Refuse(w, api.NewProblem(http.StatusBadRequest, api.ProblemMalformed, err.Error()))
		return nil, body
	}
	block, _ := pem.Decode(body.CSR)
	if block == nil {
		Refuse(w, api.NewProblem(http.StatusBadRequest, api.ProblemMalformed, "not PEM"))
		return nil, body
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil || req.CheckSignature() != nil {
		Refuse(w, api.NewProblem(http.StatusBadRequest, api.ProblemMalformed, "not a CSR"))
		return nil, body
	}
	s.Since = append(s.Since, body.Since)
	return req, body
}

func (s *Server) issue(path, parent string, req *x509.CertificateRequest) *Record {
	cert := s.Leaf(s.t, req.PublicKey, path, func(c *x509.Certificate) {
		c.NotAfter = time.Now().Add(s.Lifetime).Truncate(time.Second)
		c.DNSNames, c.IPAddresses = req.DNSNames, req.IPAddresses
	})
	rec := &Record{Certificate: cert, Path: path, Parent: parent}
	s.issued[Serial(cert)] = rec
	s.Log.append("issued " + Serial(cert))
	return rec
}

func (s *Server) reply(w http.ResponseWriter, rec *Record, since int64) {
	if s.DropReplies > 0 {
		s.DropReplies--
		panic(http.ErrAbortHandler)
	}
	cp := s.Log.Checkpoint(since)
	w.Header().Set("Content-Type", api.MediaJSON)
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(api.EnrollResponse{
		Certificate: PEM(rec.Certificate, s.Intermediate), Serial: Serial(rec.Certificate), NotAfter: rec.Certificate.NotAfter,
		RenewAfter: rec.Certificate.NotBefore.Add(5*time.Minute + s.RenewAfter), ServerTime: time.Now(), Checkpoint: &cp,
	})
}

// Serial writes a serial number as the API does.
func Serial(cert *x509.Certificate) string {
	return hex.EncodeToString(cert.SerialNumber.FillBytes(make([]byte, 16)))
}

// Refuse answers with a problem document.
func Refuse(w http.ResponseWriter, p *api.Problem) {
	w.Header().Set("Content-Type", api.MediaProblem)
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter.Seconds())))
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}
