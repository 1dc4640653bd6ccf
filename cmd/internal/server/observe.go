package server

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/betonica/betonica/enroll"
)

// observed gives each request an id, counts it, writes the access log, and turns
// a panic into an answer and a log line. The access log has the route and not
// the URL: what somebody puts where a page's name belongs may be a token.
func (s *Server) observed(listener string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		a := &answer{ResponseWriter: w}
		id := enroll.NewRequestID() // a caller's own is not taken: it goes into the audit log
		h := w.Header()
		h[requestIDHeader] = []string{id}
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		r = r.WithContext(enroll.WithRequestID(r.Context(), id))
		defer func() {
			if v := recover(); v != nil {
				s.panicked(a, r, v)
			}
			took := time.Since(begin)
			s.Metrics.observe(listener, r.Pattern, a.code(), took)
			s.Log.LogAttrs(r.Context(), slog.LevelInfo, "request",
				slog.String("request", id), slog.String("remote", r.RemoteAddr),
				slog.String("route", r.Pattern), slog.Int("status", a.code()), slog.Int64("bytes", a.bytes), slog.Int64("us", took.Microseconds()))
		}()
		next.ServeHTTP(a, r)
	})
}

// panicked answers for a handler that did not. What it was about is for the log.
func (s *Server) panicked(a *answer, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v) // net/http's own way to cut a connection
	}
	s.Log.ErrorContext(r.Context(), "panic", "request", enroll.RequestID(r.Context()), "value", v, "stack", string(debug.Stack()))
	if a.status == 0 {
		s.problem(a, r, errPanic)
	}
}

// Header values that all answers share. Handlers replace them, and never append.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// requestIDHeader tells the caller his request's id, in the spelling of
// http.CanonicalHeaderKey.
const requestIDHeader = "X-Request-Id"

// An answer counts what goes through it.
type answer struct {
	http.ResponseWriter
	status int // 0 until the header is written
	bytes  int64
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK // what net/http writes for a handler that wrote nothing
	}
	return a.status
}
