package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// Every error that a handler may return has one status and one type. What is not
// in the table says nothing of itself.
func TestProblem(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		kind   string
		detail string
	}{
		{&api.BadRequestError{Status: 400, Detail: "no JSON"}, 400, api.ProblemMalformed, "no JSON"},
		{&api.BadRequestError{Status: 413, Detail: "too large"}, 413, api.ProblemMalformed, "too large"},
		{&api.BadRequestError{Status: 415, Detail: "what?"}, 415, api.ProblemMalformed, "what?"},
		{&ca.RequestError{Reason: "weak"}, 400, api.ProblemMalformed, "certificate request: weak"},
		{&ca.DeniedError{Rule: "device", Reason: "no"}, 403, api.ProblemDenied, `this identity may not enroll: role "device": no`},
		{&adminapi.ForbiddenError{Actor: "uid:7", Verb: "do it", Needs: "root"}, 403, adminapi.ProblemForbidden, "uid:7 may not do it: it takes root"},
		{&adminapi.NotFoundError{What: "token x"}, 404, api.ProblemNotFound, "token x is not on record"},
		{&enroll.ConflictError{Detail: "suspended"}, 409, api.ProblemConflict, "suspended"},
		{&enroll.RateLimitError{RetryAfter: time.Minute}, 429, api.ProblemRateLimited, "too many bad tokens; try again in 1m0s"},
		{&methodError{"POST"}, 405, api.ProblemMalformed, ""},
		{enroll.ErrUnauthenticated, 401, api.ProblemUnauthenticated, enroll.ErrUnauthenticated.Error()},
		{enroll.ErrReused, 409, api.ProblemReused, enroll.ErrReused.Error()},
		{store.ErrNotFound, 404, api.ProblemNotFound, ""},
		{errNoRoute, 404, api.ProblemNotFound, ""},
		{errNoCheckpoint, 404, api.ProblemNotFound, ""},
		{store.ErrBadCursor, 400, api.ProblemMalformed, ""},
		{store.ErrKeyTaken, 409, api.ProblemConflict, ""},
		{store.ErrNameTaken, 409, api.ProblemConflict, ""},
		{store.ErrExists, 409, api.ProblemConflict, ""},
		{store.ErrForked, 409, api.ProblemConflict, ""},
		{store.ErrStale, 409, api.ProblemConflict, ""},
		{store.ErrDiskFull, 503, api.ProblemUnavailable, ""},
		{store.ErrUnknown, 503, api.ProblemUnavailable, ""},
		{store.ErrClosed, 503, api.ProblemUnavailable, ""},
		{errTooOften, 429, api.ProblemRateLimited, ""},
		{errNoTurn, 503, api.ProblemUnavailable, ""},
		{errBatchTurn, 503, api.ProblemUnavailable, ""},
		{ca.ErrExpired, 503, api.ProblemUnavailable, ""},
		{context.Canceled, 503, api.ProblemUnavailable, ""},
		{context.DeadlineExceeded, 503, api.ProblemUnavailable, ""},
		{errPanic, 500, api.ProblemInternal, "internal error"},
		{store.ErrSpent, 500, api.ProblemInternal, "internal error"}, // package enroll says what it means
		{errors.New("open /etc/secret: permission denied"), 500, api.ProblemInternal, "internal error"},
	} {
		t.Run(fmt.Sprintf("%T/%v", tt.err, tt.err), func(t *testing.T) {
			p := problemOf(fmt.Errorf("wrapped: %w", tt.err))
			require.Equal(t, tt.status, p.Status)
			require.Equal(t, tt.kind, p.Type)
			require.NotEmpty(t, p.Detail)
			require.NotContains(t, p.Detail, "wrapped", "what is wrapped around is about us")
			require.NotContains(t, p.Detail, "store:")
			if tt.detail != "" {
				require.Equal(t, tt.detail, p.Detail)
			}
			require.Equal(t, p.Status == 429 || p.Status == 503, p.RetryAfter > 0, "whoever may try again is told when")
		})
	}
}

// A problem document is complete: type, headers, the request's id; and what is
// our fault is in the log under that id, unless the caller has gone.
func TestProblemDocument(t *testing.T) {
	log := &logBuffer{}
	s := &Server{Log: slog.New(slog.NewTextHandler(log, nil))}
	answer := func(ctx context.Context, err error) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.problem(w, httptest.NewRequestWithContext(enroll.WithRequestID(ctx, "ID7"), "GET", "/x", nil), err)
		return w
	}
	w := answer(t.Context(), &enroll.RateLimitError{RetryAfter: 1500 * time.Millisecond})
	require.Equal(t, api.MediaProblem, w.Header().Get("Content-Type"))
	require.Equal(t, "2", w.Header().Get("Retry-After"), "rounded up, in seconds")
	var p api.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
	require.Equal(t, "ID7", p.RequestID)
	require.Equal(t, "Too Many Requests", p.Title)

	require.NotEmpty(t, answer(t.Context(), enroll.ErrUnauthenticated).Header().Get("WWW-Authenticate"))
	require.Equal(t, "close", answer(t.Context(), &api.BadRequestError{Status: http.StatusRequestEntityTooLarge}).Header().Get("Connection"))
	require.Empty(t, log.String(), "a caller's mistake is not ours")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	answer(gone, context.Canceled)
	require.Empty(t, log.String())
	answer(t.Context(), errors.New("the cause"))
	require.Contains(t, log.String(), "the cause")
	require.Contains(t, log.String(), "request=ID7")
}
