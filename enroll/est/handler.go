package est

import (
	"cmp"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
)

// Config is what a [Handler] is made of.
type Config struct {
	Registrar *enroll.Registrar // required
	Issuers   *ca.Issuers       // required

	// Identity returns the server's own certificate and key, which sign the private keys
	// that are encrypted to clients. Required.
	Identity func() (*tls.Certificate, error)

	// Labels are the roles that may be asked for by their name in the path. nil: all
	// that the policy in force has, but those that manage the CA.
	Labels []string

	Log *slog.Logger // gets a line for each internal error; nil: slog.Default()
}

// A Handler answers everything below [Prefix]. It may be used concurrently.
type Handler struct {
	Config
	making chan struct{} // holds one element for each key that is being made
}

// New returns a Handler.
func New(c Config) (*Handler, error) {
	if c.Registrar == nil || c.Issuers == nil || c.Identity == nil {
		return nil, errors.New("est: a registrar, issuers and an identity are required")
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	return &Handler{Config: c, making: make(chan struct{}, 1)}, nil
}

// Prefix is what all URLs of EST begin with (RFC 7030, Section 3.2.2).
const Prefix = "/.well-known/est/"

// An operation is the last segment of a path, and what it is for.
type operation struct {
	methods []string
	page    func(h *Handler, w http.ResponseWriter, r *http.Request, label string) error
}

var (
	reads  = []string{http.MethodGet, http.MethodHead}
	writes = []string{http.MethodPost}
)

// operationOf returns what a path's last segment means (RFC 7030, Section 3.2.2).
func operationOf(name string) (operation, bool) {
	switch name {
	case "cacerts":
		return operation{reads, (*Handler).caCertificates}, true
	case "csrattrs":
		return operation{reads, (*Handler).attributes}, true
	case "simpleenroll":
		return operation{writes, (*Handler).enroll}, true
	case "simplereenroll":
		return operation{writes, (*Handler).reenroll}, true
	case "serverkeygen":
		return operation{writes, (*Handler).serverKey}, true
	case "fullcmc":
		return operation{writes, (*Handler).fullCMC}, true
	}
	return operation{}, false
}

// ServeHTTP answers one request. It does not use http.ServeMux, which would send
// clients elsewhere that most of them do not follow to.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	label, name, ok := split(r.URL.EscapedPath())
	op, known := operationOf(name)
	if !ok || !known || !h.serves(label) {
		r.Pattern = "/" // what a stranger puts there is no value of a metric
		h.fail(w, r, errNoPage)
		return
	}
	r.Pattern = op.methods[0] + " " + Prefix + name
	if !slices.Contains(op.methods, r.Method) {
		w.Header().Set("Allow", strings.Join(op.methods, ", "))
		h.fail(w, r, errMethod)
		return
	}
	if err := op.page(h, w, r, label); err != nil {
		h.fail(w, r, err)
	}
}

// split takes a path apart: the label, "" if there is none, and the operation. There
// is one spelling: no escapes, no empty segments, no dots.
func split(path string) (label, name string, ok bool) {
	rest, ok := strings.CutPrefix(path, Prefix)
	if !ok {
		return "", "", false
	}
	label, name, labelled := strings.Cut(rest, "/")
	if !labelled {
		return "", label, true
	}
	return label, name, isLabel(label)
}

// isLabel reports whether a role could be called so.
func isLabel(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// serves reports whether there are pages below a label.
func (h *Handler) serves(label string) bool {
	if label == "" {
		return true
	}
	if h.Labels != nil {
		return slices.Contains(h.Labels, label)
	}
	_, known := h.Registrar.Policies.Current().Role(label)
	return known && label != ca.RoleCA && !ca.Privileged(label)
}

// fullCMC answers what RFC 7030, Section 4.3 leaves to the server's taste.
func (h *Handler) fullCMC(http.ResponseWriter, *http.Request, string) error { return errFullCMC }
