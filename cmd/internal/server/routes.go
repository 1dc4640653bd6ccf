package server

import (
	"net/http"
	"strings"

	"github.com/betonica/betonica/enroll/api"
)

// https answers machines, and people who hold a certificate; what is below
// /v1/admin/ is package admin's own table, as it is on the socket.
func (s *Server) https() http.Handler {
	mux := http.NewServeMux()
	s.route(mux, "POST "+api.PathEnroll, s.Join.Enroll)
	s.route(mux, "POST "+api.PathRenew, s.Renew.Renew)
	s.route(mux, "POST "+api.PathRenewLate, s.Renew.RenewLate)
	s.route(mux, "POST "+api.PathConfirm, s.Renew.Confirm)
	s.route(mux, "POST "+api.PathAttestBegin, s.Attest.Begin)
	s.route(mux, "POST "+api.PathAttestFinish, s.Attest.Finish)
	s.route(mux, "POST "+api.PathAttestNonce, s.Attest.Nonce)
	s.route(mux, "POST "+pathEnforcement, s.enforcement)
	s.route(mux, "GET "+api.PathGuardRules, s.guardRules)
	s.route(mux, "POST "+api.PathRecords, s.records)
	s.route(mux, "GET "+api.PathCheckpoint, s.checkpoint)
	s.route(mux, "GET "+api.PathRoots+"{sha256}", s.root)
	s.routeAll(mux, s.Admin)
	if s.ACME != nil {
		mux.Handle("/acme/", s.ACME)
	}
	return s.observed("https", s.orProblem(mux))
}

// http answers relying parties: what is signed, and asked for by programs that
// cannot be told anything else. OCSP stands before the mux, which would redirect
// the base64 of a GET that has "//" in it, and before the access log, which would
// cost more than the answer.
func (s *Server) http() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range s.Publishers.Routes() {
		mux.HandleFunc(pattern, s.unless(s.Stopped, serve)) // lists of a store that was set back forget
	}
	s.route(mux, patternEvidence, s.Evidence.page)
	s.route(mux, "GET /ca/{file}", s.certificate)
	rest := s.observed("http", s.orProblem(mux))
	var scep http.Handler
	if s.SCEP != nil {
		scep = s.observed("http", s.SCEP)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ocsp" || strings.HasPrefix(r.URL.Path, "/ocsp/") {
			s.Responder.ServeHTTP(w, r)
			return
		}
		if scep != nil && strings.HasPrefix(r.URL.Path, "/scep/") {
			scep.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// est answers EST clients, with paths and errors of its own.
func (s *Server) est() http.Handler { return s.observed("est", s.EST) }

// ops answers the operator's own programs.
func (s *Server) ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.Metrics.handler())
	return mux
}

// socket answers root and the daemon's own user, and tells them what ops tells: where
// the socket is follows from DIR, and where ops is need not.
func (s *Server) socket() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.Metrics.handler())
	s.routeAll(mux, s.AdminSocket)
	return s.observed("socket", s.orProblem(mux))
}
