package store

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// What machines mostly do is on record after one message to the server, whether or not
// anybody hears its answer.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	direct := storetest.Postgres(t).Database(t)
	p, dsn := newProxy(t, direct)
	d := open(t, config(t, dsn))
	id := token(t, d, 2)
	identity(t, d, "device/a")
	enrol := func() error {
		return update(d, func(tx *Tx) {
			tx.SpendToken(id)
			tx.InsertCertificate(certificate("device/a"))
		})
	}
	require.NoError(t, enrol()) // statements are prepared with the first
	size := d.LogSize()

	p.silenceAt("BEGIN\x00")
	done := make(chan error, 1)
	go func() { done <- enrol() }()
	other := newBystander(t, direct)
	require.Eventually(t, func() bool {
		var entries int64
		require.NoError(t, other.QueryRow(t.Context(), `SELECT max(seq) FROM audit`).Scan(&entries))
		return entries == size+1
	}, 30*time.Second, time.Millisecond)
	require.True(t, p.silent())
	p.resume()
	require.NoError(t, <-done)
	require.ErrorIs(t, enrol(), ErrSpent)
	require.Equal(t, size+1, verify(t, d))
}

// Nothing is appended while somebody else has the log's lock.
func TestAtOnceWaits(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t).Database(t)
	d, other := open(t, config(t, dsn)), newBystander(t, dsn)
	id := token(t, d, 1)
	other.exec(`SELECT pg_advisory_lock($1)`, int64(logLock))
	done := make(chan error, 1)
	go func() { done <- update(d, func(tx *Tx) { tx.SpendToken(id) }) }()
	require.Eventually(t, func() bool {
		var query string
		err := other.QueryRow(t.Context(), `SELECT query FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()`).Scan(&query)
		return err == nil && query == appendRecords
	}, 30*time.Second, time.Millisecond)
	other.exec(`SELECT pg_advisory_unlock($1)`, int64(logLock))
	require.NoError(t, <-done)
}

// The server looks whether a writer is still there, and counts for nobody on all processors.
func TestSessionSettings(t *testing.T) {
	t.Parallel()
	w := newTwin(t)
	var idle, interval, count, timeout, workers string
	require.NoError(t, w.session.row(t.Context(), `
		SELECT current_setting('tcp_keepalives_idle'), current_setting('tcp_keepalives_interval'), current_setting('tcp_keepalives_count'), current_setting('tcp_user_timeout')`,
		nil, &idle, &interval, &count, &timeout))
	require.Equal(t, []string{"5", "2", "3", "11000"}, []string{idle, interval, count, timeout})
	require.NoError(t, w.reads.row(t.Context(), `SELECT current_setting('max_parallel_workers_per_gather')`, nil, &workers))
	require.Equal(t, "0", workers)
}

// The log has gone on by entries of a process that has left since, and of which this one
// has read nothing: its own follow them.
func TestAtOnceBehind(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t).Database(t)
	d := open(t, config(t, dsn))
	identity(t, d, "device/a")
	other := open(t, config(t, dsn))
	for i := range 3 {
		identity(t, other, device(i))
	}
	require.NoError(t, other.Close())
	require.Eventually(t, func() bool { return !d.feed.peers.live() }, 30*time.Second, time.Millisecond)
	for i := range 2 {
		must(t, d, func(tx *Tx) { tx.InsertCertificate(certificate(device(i))) })
	}
	require.EqualValues(t, 6, verify(t, d))
}

// The server hears of a batch after its connection was lost, and nothing of it was found:
// it stays out.
func TestAtOnceLate(t *testing.T) {
	t.Parallel()
	w := newTwin(t)
	lost := collected(time.Now(), func(tx *Tx) {
		tx.CreateIdentity(Identity{Path: "device/a", Role: "device", Name: "a", State: Active})
	})
	lost.events = []audit.Event{event()}
	writer := &writer{db: w.DB, engine: w.engine, session: w.session, tree: w.log.head.Load(), patient: time.Minute}
	entry, failed := writer.seal([]*call{lost}, nil)
	require.Nil(t, failed)
	demands, ok := w.engine.whole(w.session, []*call{lost})
	require.True(t, ok)

	committed, err := writer.lookUp(&flight{entry: entry, atOnce: true})
	require.NoError(t, err)
	require.False(t, committed)
	require.EqualValues(t, 1, writer.tree.Size())
	require.EqualValues(t, 1, w.LogSize())
	done, err := w.engine.atOnce(t.Context(), w.session, demands, entry.records, entry.tiles)
	require.NoError(t, err)
	require.False(t, done)
	_, err = w.Identity(t.Context(), "device/a")
	require.ErrorIs(t, err, ErrNotFound)

	require.NoError(t, w.engine.rollback(t.Context(), w.session))
	identity(t, w.DB, "device/a")
	require.EqualValues(t, 2, verify(t, w.DB))
}

// What a server refused is known whatever language it speaks, and what something between
// says of a connection is not what the server says.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  pgconn.PgError
		want bool
	}{
		{pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: "ERROR", Code: "22P02"}, true},
		{pgconn.PgError{Severity: "ERROR", Code: "23505"}, true}, // of a pooler's own making
		{pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01"}, false},
		{pgconn.PgError{Severity: "ERROR", Code: "08P01"}, false},
		{pgconn.PgError{Severity: "ERROR"}, false},
	} {
		require.Equal(t, tt.want, refused(fmt.Errorf("committing: %w", &tt.err)), tt.err)
	}
	require.False(t, refused(io.ErrUnexpectedEOF))
}
