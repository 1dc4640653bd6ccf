package store

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A bystander is a session of nobody's, which takes what others wait for.
type bystander struct {
	*pgx.Conn
	t *testing.T
}

func newBystander(t *testing.T, dsn string) bystander {
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return bystander{conn, t}
}

func (b bystander) exec(query string, args ...any) {
	b.t.Helper()
	_, err := b.Exec(b.t.Context(), query, args...)
	require.NoError(b.t, err)
}

func (b bystander) takeTurn() { b.exec(`SELECT pg_advisory_lock($1)`, int64(turnLock)) }

// turns returns how many sessions have the turn, and how many wait for it.
func (b bystander) turns() (held, waiting int) {
	b.t.Helper()
	require.NoError(b.t, b.QueryRow(b.t.Context(), `
		SELECT count(*) FILTER (WHERE granted), count(*) FILTER (WHERE NOT granted) FROM pg_locks
		WHERE locktype = 'advisory' AND classid = $1 AND objid = $2
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
		uint32(turnLock>>32), uint32(turnLock&0xffffffff)).Scan(&held, &waiting))
	return held, waiting
}

// waited returns once a session waits for its turn.
func (b bystander) waited() {
	b.t.Helper()
	require.Eventually(b.t, func() bool { _, waiting := b.turns(); return waiting == 1 }, 30*time.Second, time.Millisecond)
}

// takingTurns opens two replicas that know of each other and wait for their turn this
// long, and a bystander.
func takingTurns(t *testing.T, patience time.Duration) (a, b *DB, other bystander) {
	dsn := storetest.Postgres(t).Database(t)
	a, b = open(t, config(t, dsn)), open(t, config(t, dsn))
	for _, d := range []*DB{a, b} {
		d.engine.(*postgres).patience = patience
		require.Eventually(t, d.feed.peers.live, 30*time.Second, time.Millisecond)
	}
	return a, b, newBystander(t, dsn)
}

// Whatever is asked while a replica waits for its turn goes into the batch that it
// makes then.
func TestTurnGathers(t *testing.T) {
	a, _, other := takingTurns(t, time.Minute)
	must(t, a, func(*Tx) {})
	before := a.Stats()
	other.takeTurn()
	var calls sync.WaitGroup
	call := func() {
		if err := update(a, func(*Tx) {}); err != nil {
			t.Error(err)
		}
	}
	calls.Go(call)
	other.waited()
	for range 20 {
		calls.Go(call)
	}
	require.Eventually(t, func() bool { return a.writer.queue.depth() == 20 }, 30*time.Second, time.Millisecond)
	other.exec(giveTurn, int64(turnLock))
	calls.Wait()
	after := a.Stats()
	require.EqualValues(t, 21, after.Calls-before.Calls)
	require.EqualValues(t, 1, after.Batches-before.Batches)
}

// Who has the log's lock does not have the turn any more: the statements of the next
// batch run while this one is written.
func TestTurnEndsEarly(t *testing.T) {
	a, b, other := takingTurns(t, time.Minute)
	other.exec(`BEGIN`)
	other.exec(`LOCK TABLE audit IN SHARE MODE`)
	first := make(chan error, 2)
	go func() { first <- update(a, func(*Tx) {}) }()
	waiting := func(query string, args ...any) func() bool {
		return func() bool {
			var n int
			require.NoError(t, other.QueryRow(t.Context(), `
				SELECT count(*) FROM pg_locks WHERE NOT granted AND `+query+`
				AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, args...).Scan(&n))
			return n == 1
		}
	}
	require.Eventually(t, waiting(`relation = 'audit'::regclass`), 30*time.Second, time.Millisecond)
	go func() { first <- update(b, func(*Tx) {}) }()
	require.Eventually(t, waiting(`locktype = 'advisory' AND objid = $1`, uint32(logLock&0xffffffff)), 30*time.Second, time.Millisecond)
	other.exec(`COMMIT`)
	require.NoError(t, <-first)
	require.NoError(t, <-first)
	verify(t, a)
}

// The turn is nobody's after a batch, whatever became of that; and what waited for it
// waits for other locks as long as the database says.
func TestTurnGivenBack(t *testing.T) {
	a, _, other := takingTurns(t, time.Minute)
	id := token(t, a, 1)
	spend := func(tx *Tx) { tx.SpendToken(id) }
	well := func(t *testing.T, err error) { require.NoError(t, err) }
	for _, tt := range []struct {
		name string
		call func() error
		want func(*testing.T, error)
	}{
		{"done", func() error { return update(a, spend) }, well},
		{"unmet", func() error { return update(a, spend) }, func(t *testing.T, err error) { require.ErrorIs(t, err, ErrSpent) }},
		{"refused by the server", func() error {
			return update(a, func(tx *Tx) { tx.demand(anyRows, nil, `SELECT 1 / $1::int`, 0) })
		}, func(t *testing.T, err error) { require.Equal(t, "22012", sqlState(err)) }},
		{"relaxed", func() error { return a.Relaxed(t.Context(), func(*RelaxedTx) {}) }, well},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want(t, tt.call())
			held, _ := other.turns()
			require.Zero(t, held)
		})
	}
	a.clock.recorded(time.Now().Add(time.Hour))
	require.ErrorIs(t, update(a, spend), ErrClock)
	require.Eventually(t, func() bool { held, _ := other.turns(); return held == 0 }, 30*time.Second, time.Millisecond)
}

// A session with the turn is in a transaction, so that the server ends it if nothing
// more is heard of it; how long it waits for other locks is as it was.
func TestTurnSession(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	d, other := open(t, config(t, dsn)), newBystander(t, dsn)
	for _, patience := range []string{"0", "7s"} {
		other.exec(`ALTER ROLE CURRENT_USER IN DATABASE ` + other.Config().Database + ` SET lock_timeout = '` + patience + `'`)
		e, err := openPostgres(t.Context(), d.cfg)
		require.NoError(t, err)
		s, err := e.connect(t.Context())
		require.NoError(t, err)
		require.NoError(t, e.awaitTurn(t.Context(), s))
		require.True(t, s.turn)
		var pid int
		var is, idle, state string
		require.NoError(t, s.row(t.Context(), `
			SELECT pg_backend_pid(), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout')`, nil, &pid, &is, &idle))
		require.Equal(t, patience, is)
		require.Equal(t, "10s", idle)
		require.NoError(t, other.QueryRow(t.Context(), `SELECT state FROM pg_stat_activity WHERE pid = $1`, pid).Scan(&state))
		require.Equal(t, "idle in transaction", state)
		require.NoError(t, e.rollback(t.Context(), s))
		held, _ := other.turns()
		require.Zero(t, held)

		other.takeTurn() // and who waits for too long goes on without
		e.patience = time.Millisecond
		require.NoError(t, e.awaitTurn(t.Context(), s))
		require.False(t, s.turn)
		require.NoError(t, e.begin(t.Context(), s, false))
		require.NoError(t, e.rollback(t.Context(), s))
		other.exec(giveTurn, int64(turnLock))
		require.NoError(t, s.close())
		require.NoError(t, e.close())
	}
}

// Whoever does not give the turn back holds nobody up: not for long who makes batches,
// and not at all who does not, or is alone on the database.
func TestTurnStuck(t *testing.T) {
	a, b, other := takingTurns(t, 20*time.Millisecond)
	other.takeTurn()
	id := token(t, a, 1000)
	for i, err := range parallel(60, func(i int) error {
		if i%10 == 0 {
			return alone(a, (*AloneTx).RevokeIdentity, device(i)) // there is none
		}
		return update([]*DB{a, b}[i%2], func(tx *Tx) { tx.SpendToken(id) })
	}) {
		if i%10 == 0 {
			require.ErrorIs(t, err, ErrNotFound)
		} else {
			require.NoError(t, err)
		}
	}
	a.engine.(*postgres).patience = time.Hour // of calls alone and of one who is alone
	require.ErrorIs(t, alone(a, (*AloneTx).RevokeIdentity, device(1)), ErrNotFound)
	require.NoError(t, b.Close())
	require.Eventually(t, func() bool { return !a.feed.peers.live() }, 30*time.Second, time.Millisecond)
	must(t, a, func(tx *Tx) { tx.SpendToken(id) })
	verify(t, a)
}

// When the session of a replica ends which has the turn, the next one has it, and the
// calls of the first are made anew.
func TestTurnHolderDies(t *testing.T) {
	a, b, other := takingTurns(t, time.Minute)
	id, free := token(t, a, 2), token(t, a, 2)
	other.exec(`BEGIN`)
	other.exec(`SELECT 1 FROM tokens WHERE id = $1 FOR UPDATE`, id[:])
	var calls sync.WaitGroup
	spend := func(d *DB, id TokenID) {
		calls.Go(func() {
			if err := update(d, func(tx *Tx) { tx.SpendToken(id) }); err != nil {
				t.Error(err)
			}
		})
	}
	spend(a, id)
	require.Eventually(t, func() bool { held, _ := other.turns(); return held == 1 }, 30*time.Second, time.Millisecond)
	spend(b, free)
	other.waited()
	other.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, uint32(turnLock&0xffffffff))
	require.Eventually(t, func() bool {
		k, err := b.Token(t.Context(), free)
		return err == nil && k.Uses == 1
	}, 30*time.Second, time.Millisecond)
	other.exec(`COMMIT`)
	calls.Wait()
	k, err := a.Token(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, k.Uses)
	verify(t, b)
}

// Of replicas that write all the time, each gets its share: turns are given in the
// order in which they were asked for.
func TestTurnsAreFair(t *testing.T) {
	dbs := replicas(t, 3)
	for _, d := range dbs {
		require.Eventually(t, d.feed.peers.live, 30*time.Second, time.Millisecond)
		d.engine.(*postgres).patience = time.Minute
	}
	const batches = 150
	var done [3]atomic.Int64
	var sum atomic.Int64
	for i, err := range parallel(12, func(i int) error {
		for sum.Load() < batches*4 {
			if err := update(dbs[i%3], func(*Tx) {}); err != nil {
				return err
			}
			done[i%3].Add(1)
			sum.Add(1)
		}
		return nil
	}) {
		require.NoError(t, err, i)
	}
	for i := range done {
		require.Greater(t, done[i].Load(), int64(batches*4/6), "replica %d", i)
	}
	verify(t, dbs[0])
}
