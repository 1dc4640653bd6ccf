package scep

import (
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/limit"
)

// Config is what a [Handler] is made of. All is required but Log and Now.
type Config struct {
	Registrar *enroll.Registrar
	Issuers   *ca.Issuers

	// Authorities are the registration authorities of the roles that are served.
	Authorities map[string]*Authority

	// CRL returns the newest full list of one of our intermediates, in DER; nil: it has
	// none.
	CRL func(issuer *x509.Certificate) []byte

	Log *slog.Logger     // gets a line for each internal error; nil: slog.Default()
	Now func() time.Time // nil: time.Now
}

// A Handler answers everything below [Prefix]. It may be used concurrently.
type Handler struct {
	Config
	bad *limit.Window[string] // messages that nobody can read, by source
}

// New returns a Handler.
func New(c Config) (*Handler, error) {
	if c.Registrar == nil || c.Issuers == nil || len(c.Authorities) == 0 || c.CRL == nil {
		return nil, errors.New("scep: a registrar, issuers, registration authorities and lists are required")
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Handler{Config: c, bad: limit.NewWindow[string](badMessages, time.Minute)}, nil
}

const (
	// Prefix is what the URLs begin with; the name of a role follows.
	Prefix = "/scep/"

	maxMessage  = 96 << 10 // bytes of DER
	badMessages = 20       // of one source in a minute
)

// capabilities are those of RFC 8894, Section 3.5.2, each with a line feed alone. After
// an empty line strongSwan 5.9 finds what it looks for, and otherwise not: it takes the
// number of a line for its meaning.
const capabilities = "AES\nPOSTPKIOperation\nRenewal\nSHA-256\nSHA-512\nSCEPStandard\n\n"

// ServeHTTP answers one request (RFC 8894, Section 4.1).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	role, ok := strings.CutPrefix(r.URL.EscapedPath(), Prefix)
	role = strings.TrimSuffix(role, "/pkiclient.exe") // which Cisco's append
	authority := h.Authorities[role]
	if !ok || authority == nil {
		r.Pattern = "/"
		fail(w, http.StatusNotFound, "There is nothing under this URL.")
		return
	}
	operation := r.URL.Query().Get("operation")
	r.Pattern = r.Method + " " + Prefix
	switch {
	case r.Method == http.MethodGet && operation == "GetCACaps":
		write(w, "text/plain", []byte(capabilities))
	case r.Method == http.MethodGet && operation == "GetCACert":
		h.certificates(w, r, authority)
	case operation == "PKIOperation" && (r.Method == http.MethodGet || r.Method == http.MethodPost):
		h.operate(w, r, role, authority)
	default:
		r.Pattern = "/"
		fail(w, http.StatusBadRequest, "There are GetCACaps, GetCACert and PKIOperation.")
	}
}

// certificates answers GetCACert (RFC 8894, Section 4.2.1.2): the registration
// authority, every intermediate, and the root.
func (h *Handler) certificates(w http.ResponseWriter, r *http.Request, authority *Authority) {
	ra, err := authority.certificate(r.Context(), h.Now())
	if err != nil {
		h.broken(w, r, err)
		return
	}
	all := append([]byte(nil), ra.Raw...)
	for _, cert := range append(h.Issuers.Certificates(), h.Issuers.Root()) {
		all = append(all, cert.Raw...)
	}
	bundle, err := pkcs7.DegenerateCertificate(all)
	if err != nil {
		h.broken(w, r, err)
		return
	}
	write(w, "application/x-x509-ca-ra-cert", bundle)
}

// read returns the message of a PKIOperation (RFC 8894, Section 4.1).
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method == http.MethodPost {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	}
	// A plus that was not escaped has become a space.
	text := strings.ReplaceAll(r.URL.Query().Get("message"), " ", "+")
	return base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(text))
}

func write(w http.ResponseWriter, media string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	w.Write(body) // a client that is gone asks again
}

func fail(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	io.WriteString(w, text+"\n")
}

// broken answers when something is wrong with us.
func (h *Handler) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		h.Log.LogAttrs(r.Context(), slog.LevelError, "failed", slog.String("request", enroll.RequestID(r.Context())),
			slog.String("route", r.Pattern), slog.String("error", err.Error()))
	}
	w.Header().Set("Retry-After", "30")
	fail(w, http.StatusServiceUnavailable, "Nothing can be issued at present.")
}
