package server

import (
	"net/http"

	"github.com/betonica/betonica/enroll/api"
)

// https answers machines, and people who hold a certificate; what is below
// /v1/admin/ is package admin's own table, as it is on the socket.
func (s *Server) https() http.Handler {
	mux := http.NewServeMux()
	s.route(mux, "POST "+api.PathEnroll, s.Join.Enroll)
	s.route(mux, "POST "+api.PathRenew, s.Renew.Renew)
	s.route(mux, "POST "+api.PathConfirm, s.Renew.Confirm)
	s.route(mux, "GET "+api.PathCheckpoint, s.checkpoint)
	s.route(mux, "GET "+api.PathRoots+"{sha256}", s.root)
	s.routeAll(mux, s.Admin)
	return s.observed("https", s.orProblem(mux))
}

// http answers relying parties: what is signed already, and asked for by
// programs that cannot be told anything else.
func (s *Server) http() http.Handler {
	mux := http.NewServeMux()
	s.route(mux, "GET /ca/{file}", s.certificate)
	return s.observed("http", s.orProblem(mux))
}

// ops answers the operator's own programs.
func (s *Server) ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", livez)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.Metrics.handler())
	return mux
}

// socket answers root and the daemon's own user.
func (s *Server) socket() http.Handler {
	mux := http.NewServeMux()
	s.routeAll(mux, s.AdminSocket)
	return s.observed("socket", s.orProblem(mux))
}
