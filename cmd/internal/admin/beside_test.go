package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// reader is an Admin of an empty store, and a request by somebody who reads the log.
func reader(t *testing.T) (*Admin, *http.Request, enroll.Actor) {
	db, err := store.Open(t.Context(), store.Config{DSN: storetest.SQLite(t), Keys: audit.NewKeys([32]byte{1}), Origin: "example.test/log", Now: time.Now})
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	a := New(Config{Store: db, Log: slog.New(slog.DiscardHandler)})
	ctx := enroll.WithRequestID(t.Context(), enroll.NewRequestID())
	return a, httptest.NewRequestWithContext(ctx, "GET", "/v1/admin/audit", nil), enroll.Actor{Name: "auditor/cleo"}
}

// What is read is read while the entry waits for the disk, and answered when it is there.
func TestAnswerWaitsForItsEntry(t *testing.T) {
	a, r, by := reader(t)
	onRecord := func() int {
		entries, _, err := a.Store.AuditEntries(t.Context(), store.AuditFilter{Action: "audit.read"}, store.Page{})
		require.NoError(t, err)
		return len(entries)
	}
	busy, reading, written := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		written <- a.Store.UpdateAlone(context.Background(), func(context.Context, *store.AloneTx) (audit.Event, error) {
			close(busy)
			<-reading // nothing else is written until somebody reads
			return audit.Event{Action: "test.write", Outcome: "ok"}, nil
		})
	}()
	<-busy
	answer := httptest.NewRecorder()
	err := a.recordBeside(verb{reads: "audit.read", do: func(_ *Admin, w http.ResponseWriter, _ *http.Request, _ enroll.Actor) error {
		require.Zero(t, onRecord())
		close(reading)
		err := reply(w, http.StatusOK, "entries")
		require.Equal(t, 1, onRecord())
		return err
	}}, answer, r, by)
	require.NoError(t, err)
	require.NoError(t, <-written)
	require.Equal(t, "\"entries\"\n", answer.Body.String())
}

// Who cannot be put on record is told nothing, not even what was wrong with his question;
// but root is, who has the files.
func TestNothingIsToldOffTheRecord(t *testing.T) {
	a, r, by := reader(t)
	require.NoError(t, a.Store.Close())
	answers := verb{reads: "audit.read", do: func(_ *Admin, w http.ResponseWriter, _ *http.Request, _ enroll.Actor) error {
		return reply(w, http.StatusOK, "entries")
	}}
	refuses := verb{reads: "audit.read", do: func(*Admin, http.ResponseWriter, *http.Request, enroll.Actor) error {
		return malformed("there is no such identity")
	}}
	for _, v := range []verb{answers, refuses} {
		answer := httptest.NewRecorder()
		require.ErrorIs(t, a.recordBeside(v, answer, r, by), store.ErrClosed)
		require.Empty(t, answer.Body.String())
		require.False(t, answer.Flushed)
	}
	by.Root = true
	answer := httptest.NewRecorder()
	require.NoError(t, a.recordBeside(answers, answer, r, by))
	require.Equal(t, "\"entries\"\n", answer.Body.String())
}

// A reading that panics leaves no recording behind that goes on alone.
func TestPanicWaitsForItsEntry(t *testing.T) {
	a, r, by := reader(t)
	require.Panics(t, func() {
		a.recordBeside(verb{reads: "audit.read", do: func(*Admin, http.ResponseWriter, *http.Request, enroll.Actor) error { panic("x") }}, httptest.NewRecorder(), r, by)
	})
	entries, _, err := a.Store.AuditEntries(t.Context(), store.AuditFilter{Action: "audit.read"}, store.Page{})
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// A page of the log does not show who reads it, though the entry be there before it is read.
func TestPageShowsReadersBefore(t *testing.T) {
	a, r, by := reader(t)
	require.NoError(t, a.reads(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), by, "audit.read"))
	answer := httptest.NewRecorder()
	require.NoError(t, a.reads(r, by, "audit.read"))
	require.NoError(t, a.listAudit(answer, r, by))
	var page adminapi.Page[adminapi.Entry]
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &page))
	require.Len(t, page.Items, 1)
	require.EqualValues(t, 1, page.Items[0].Seq)
}

// Answers that begin before all has been read, and what lists those who read, wait for the
// entry from the start.
func TestWhatIsReadBeside(t *testing.T) {
	var beside []string
	for _, v := range verbs {
		if v.beside() {
			require.NotEmpty(t, v.reads)
			beside = append(beside, v.method+" "+v.path)
		}
	}
	require.Equal(t, "GET alerts, GET alerts/{id}, GET audit, GET records", strings.Join(beside, ", "))
}
