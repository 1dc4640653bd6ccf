package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/turns"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/store"
)

// Errors of this package's own.
var (
	errNoRoute  = errors.New("no such page")
	errPanic    = errors.New("a handler panicked")
	errStarting = errors.New("the daemon has no certificate yet")

	errNoCheckpoint = errors.New("the log has no signed checkpoint yet")
)

// A methodError answers a request whose URL exists, for other methods.
type methodError struct{ allow string }

func (*methodError) Error() string { return "method not allowed" }

// problemOf says what a stranger may know of err, and how long to wait before
// the next try; whatever it does not name is an internal error. Packages enroll
// and store say what the errors mean.
func problemOf(err error) *api.Problem {
	if e, ok := errors.AsType[*api.BadRequestError](err); ok {
		return api.NewProblem(e.Status, api.ProblemMalformed, e.Detail)
	}
	if e, ok := errors.AsType[*ca.RequestError](err); ok {
		return api.NewProblem(http.StatusBadRequest, api.ProblemMalformed, e.Error())
	}
	if e, ok := errors.AsType[*enroll.ForkedError](err); ok {
		return api.NewProblem(http.StatusForbidden, api.ProblemForked, e.Error())
	}
	if e, ok := errors.AsType[*enroll.PersonError](err); ok {
		return api.NewProblem(http.StatusForbidden, api.ProblemDenied, e.Error())
	}
	if e, ok := errors.AsType[*ca.DeniedError](err); ok {
		return api.NewProblem(http.StatusForbidden, api.ProblemDenied, e.Error())
	}
	if e, ok := errors.AsType[*enroll.AttestationError](err); ok {
		return api.NewProblem(http.StatusForbidden, api.ProblemAttestation, e.Error())
	}
	if e, ok := errors.AsType[*adminapi.ForbiddenError](err); ok {
		return api.NewProblem(http.StatusForbidden, adminapi.ProblemForbidden, e.Error())
	}
	if e, ok := errors.AsType[*enroll.ConsentError](err); ok {
		return api.NewProblem(http.StatusForbidden, adminapi.ProblemConsent, e.Error())
	}
	if e, ok := errors.AsType[*enroll.ConflictError](err); ok {
		return api.NewProblem(http.StatusConflict, api.ProblemConflict, e.Error())
	}
	if e, ok := errors.AsType[*revoke.StateError](err); ok {
		return api.NewProblem(http.StatusConflict, api.ProblemConflict, e.Error())
	}
	if e, ok := errors.AsType[*enforcement.AheadError](err); ok {
		return api.NewProblem(http.StatusConflict, api.ProblemConflict, e.Error())
	}
	if errors.Is(err, enforcement.ErrReport) {
		return api.NewProblem(http.StatusBadRequest, api.ProblemMalformed, err.Error())
	}
	if e, ok := errors.AsType[*enroll.RateLimitError](err); ok {
		return later(http.StatusTooManyRequests, api.ProblemRateLimited, e.Error(), e.RetryAfter)
	}
	if e, ok := errors.AsType[*enroll.QueueError](err); ok {
		return later(http.StatusTooManyRequests, api.ProblemRateLimited, e.Error(), e.RetryAfter)
	}
	if e, ok := errors.AsType[*turns.BusyError](err); ok {
		return later(http.StatusServiceUnavailable, api.ProblemUnavailable, e.Error(), e.RetryAfter)
	}
	if e, ok := errors.AsType[*archive.FullError](err); ok && e.Whole {
		return later(http.StatusInsufficientStorage, api.ProblemUnavailable, e.Error(), e.RetryAfter)
	} else if ok {
		return later(http.StatusTooManyRequests, api.ProblemRateLimited, e.Error(), e.RetryAfter)
	}
	if e, ok := errors.AsType[*adminapi.NotFoundError](err); ok {
		return api.NewProblem(http.StatusNotFound, api.ProblemNotFound, e.Error())
	}
	if _, ok := errors.AsType[*methodError](err); ok {
		return api.NewProblem(http.StatusMethodNotAllowed, api.ProblemMalformed, "the method is not one that this page knows")
	}
	for _, known := range problems {
		if errors.Is(err, known.err) {
			p := api.NewProblem(known.status, known.kind, known.detail)
			p.RetryAfter = known.retry
			return p
		}
	}
	if store.TroubleOf(err) != "" { // of what kind is for the operator
		return later(http.StatusServiceUnavailable, api.ProblemUnavailable, "nothing can be recorded at present", 30*time.Second)
	}
	return api.NewProblem(http.StatusInternalServerError, api.ProblemInternal, "internal error")
}

// problems are the errors that are known by name.
var problems = []struct {
	err    error
	status int
	kind   string
	detail string
	retry  time.Duration
}{
	{enroll.ErrUnauthenticated, http.StatusUnauthorized, api.ProblemUnauthenticated, enroll.ErrUnauthenticated.Error(), 0},
	{enroll.ErrReused, http.StatusConflict, api.ProblemReused, enroll.ErrReused.Error(), 0},
	{store.ErrNotFound, http.StatusNotFound, api.ProblemNotFound, "not on record", 0},
	{enforcement.ErrOtherIssuer, http.StatusNotFound, api.ProblemNotFound, enforcement.ErrOtherIssuer.Error(), 0},
	{enforcement.ErrTooMany, http.StatusServiceUnavailable, api.ProblemUnavailable, enforcement.ErrTooMany.Error(), time.Minute},
	{keys.ErrToken, http.StatusServiceUnavailable, api.ProblemUnavailable, "the authority's key cannot be reached at the moment", 10 * time.Second},
	{errNoRoute, http.StatusNotFound, api.ProblemNotFound, "there is nothing under this URL", 0},
	{errNoCheckpoint, http.StatusNotFound, api.ProblemNotFound, errNoCheckpoint.Error(), 0},
	{store.ErrBadCursor, http.StatusBadRequest, api.ProblemMalformed, "page_token is not one of ours", 0},
	{store.ErrKeyTaken, http.StatusConflict, api.ProblemConflict, "the public key has been used before: make a new one", 0},
	{store.ErrNameTaken, http.StatusConflict, api.ProblemConflict, "a name that was asked for belongs to another identity", 0},
	{store.ErrExists, http.StatusConflict, api.ProblemConflict, "it exists already", 0},
	{store.ErrForked, http.StatusConflict, api.ProblemConflict, "the certificate is being renewed by another request", 0},
	{store.ErrStale, http.StatusConflict, api.ProblemConflict, "what the decision was based on has changed: try again", 0},
	{store.ErrDiskFull, http.StatusServiceUnavailable, api.ProblemUnavailable, "nothing can be recorded at present", 30 * time.Second},
	{store.ErrSetBack, http.StatusServiceUnavailable, api.ProblemUnavailable, "nothing is signed at present: the CA's database has to be recovered", time.Minute},
	{errRecovering, http.StatusServiceUnavailable, api.ProblemUnavailable, errRecovering.Error(), 30 * time.Second},
	{errTooOften, http.StatusTooManyRequests, api.ProblemRateLimited, errTooOften.Error(), time.Minute},
	{errBatchTurn, http.StatusServiceUnavailable, api.ProblemUnavailable, errBatchTurn.Error(), 5 * time.Second},
	{errNoTurn, http.StatusServiceUnavailable, api.ProblemUnavailable, errNoTurn.Error(), evidenceWait},
	{store.ErrUnknown, http.StatusServiceUnavailable, api.ProblemUnavailable, "it is not certain that the request was recorded: repeat it", 5 * time.Second},
	{store.ErrClosed, http.StatusServiceUnavailable, api.ProblemUnavailable, "stopping", 5 * time.Second},
	{ca.ErrExpired, http.StatusServiceUnavailable, api.ProblemUnavailable, "nothing can be signed at present", time.Hour},
	{context.Canceled, http.StatusServiceUnavailable, api.ProblemUnavailable, "the request was given up", time.Second},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, api.ProblemUnavailable, "the request took too long", 5 * time.Second},
}

func later(status int, kind, detail string, after time.Duration) *api.Problem {
	p := api.NewProblem(status, kind, detail)
	p.RetryAfter = after
	return p
}

// problem answers a request with what went wrong (RFC 9457). What is our fault
// is logged, under the id that the answer carries.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	p.RequestID = enroll.RequestID(r.Context())
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "failed", slog.String("request", p.RequestID),
			slog.String("route", r.Pattern), slog.String("error", err.Error()))
	}
	h := w.Header()
	h.Set("Content-Type", api.MediaProblem)
	if p.RetryAfter > 0 {
		// Seconds: some clients stumble over a date.
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	if e, ok := errors.AsType[*methodError](err); ok {
		h.Set("Allow", e.allow)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="betonica"`) // RFC 9110, Section 11.6.1
	}
	if p.Status == http.StatusRequestEntityTooLarge {
		h.Set("Connection", "close") // the rest of the body is not worth reading
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(p.Status)
	w.Write(append(body, '\n')) // if the caller is gone, so be it
}
