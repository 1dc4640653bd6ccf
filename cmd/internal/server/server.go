package server

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/attest"
	"github.com/betonica/betonica/enroll/join"
	"github.com/betonica/betonica/enroll/renew"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/enforcement"
)

// A Server answers on the daemon's listeners. Every field but ACME, EST, SCEP and Records is required,
// and none may change once Run has begun.
type Server struct {
	Join      *join.Handler
	Renew     *renew.Handler
	Attest    *attest.Handler
	Registrar *enroll.Registrar
	Issuers   *ca.Issuers

	// ACME answers what is below /acme/, in its own way; nil: there is none.
	ACME http.Handler

	// SCEP answers what is below /scep/ on the HTTP listener, in its own way; nil: there
	// is none.
	SCEP http.Handler

	// EST answers on the listener of that name, in its own way; required if there is one.
	EST http.Handler

	// Admin and AdminSocket are the pages below adminapi.Prefix, by pattern of
	// http.ServeMux: for callers with a certificate, and for those on the socket,
	// whose RemoteAddr is "uid:N".
	Admin, AdminSocket map[string]Page

	// Publishers serve the revocation lists, Responder answers OCSP.
	Publishers *revoke.Publishers
	Responder  *revoke.Responder

	// Enforcement hears what relying parties enforce.
	Enforcement *enforcement.Registry

	// Records takes what guards ship of their journals; nil: nobody does.
	Records *Records

	// Evidence takes lists that show that the store was set back, and Stopped says that
	// it was: then no list is served.
	Evidence *Evidence
	Stopped  func() error

	// Certificate is what the HTTPS listener shows.
	Certificate *Certificate

	// Ready says why nothing can be issued, or nil. It is asked often.
	Ready func() error

	Metrics *Metrics
	Log     *slog.Logger

	waiting atomic.Int64  // guards that wait for rules
	ending  chan struct{} // closed when Run is about to end; nil before Run
}

// A Page answers one URL. If it returns an error it has written nothing, and the
// error is what problemOf makes of it.
type Page = func(http.ResponseWriter, *http.Request) error

// route puts a page under a pattern.
func (s *Server) route(mux *http.ServeMux, pattern string, page Page) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := page(w, r); err != nil {
			s.problem(w, r, err)
		}
	})
}

func (s *Server) routeAll(mux *http.ServeMux, pages map[string]Page) {
	for pattern, page := range pages {
		s.route(mux, pattern, page)
	}
}

// orProblem answers with a problem document where mux has no page, too.
func (s *Server) orProblem(mux *http.ServeMux) *http.ServeMux {
	s.route(mux, "/", func(_ http.ResponseWriter, r *http.Request) error {
		if allow := allowed(mux, r); allow != "" {
			return &methodError{allow}
		}
		return errNoRoute
	})
	return mux
}

// allowed lists the methods for which mux has a page at r's URL.
func allowed(mux *http.ServeMux, r *http.Request) string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		other := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(other); pattern != "/" {
			methods = append(methods, method)
		}
	}
	return strings.Join(methods, ", ")
}
