package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A load revokes on every replica, and checks the feed's promise after each call that
// succeeded.
type load struct {
	all      []*hearer
	promised atomic.Int64 // greatest number whose call has returned
	done     atomic.Int64 // calls that succeeded
	wg       sync.WaitGroup
	stop     context.CancelFunc
}

// newLoad starts two callers on each replica, and for each replica one who watches.
func newLoad(t *testing.T, all []*hearer) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{all: all, stop: stop}
	for _, h := range all {
		for range 2 {
			l.wg.Go(func() { l.revoke(ctx, t, h) })
		}
		l.wg.Go(func() { l.watch(ctx, t, h) })
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) revoke(ctx context.Context, t *testing.T, h *hearer) {
	pause := time.NewTicker(5 * time.Millisecond) // where nothing works, for others to mend it
	defer pause.Stop()
	for ctx.Err() == nil {
		number, err := h.revoke()
		if err != nil {
			<-pause.C
			continue
		}
		for _, other := range l.all {
			if !other.knows(number) {
				t.Errorf("revocation %d is unknown to one that has a lease", number)
			}
		}
		l.done.Add(1)
		for was := l.promised.Load(); was < number && !l.promised.CompareAndSwap(was, number); was = l.promised.Load() {
		}
	}
}

// watch checks the promise at any moment: what was promised before it looked is known
// or the replica has lapsed.
func (l *load) watch(ctx context.Context, t *testing.T, h *hearer) {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for ctx.Err() == nil {
		<-look.C
		if promised := l.promised.Load(); !h.knows(promised) {
			t.Errorf("revocation %d is unknown to one that has a lease", promised)
		}
	}
}

// more waits until so many calls more have succeeded.
func (l *load) more(t *testing.T, calls int64) {
	t.Helper()
	want := l.done.Load() + calls
	require.Eventually(t, func() bool { return l.done.Load() >= want }, 60*time.Second, 5*time.Millisecond)
}

func (l *load) end() {
	l.stop()
	l.wg.Wait()
}

// A server that crashes under load, and empties the table of replicas, makes all
// lapse, and nobody believe what the table says before it is whole again. What was
// said to be revoked is on record and heard of, in order.
func TestServerCrashes(t *testing.T) {
	cluster := storetest.Private(t)
	cfg := config(t, cluster.Database(t))
	all := hearers(t, open(t, cfg), open(t, cfg), open(t, cfg))
	l := newLoad(t, all)
	crashes := 3
	if underRace {
		crashes = 1
	}
	for range crashes {
		l.more(t, 20)
		cluster.Crash(t)
		for _, h := range all {
			require.Eventually(t, h.Lapsed, 30*time.Second, time.Millisecond)
		}
		cluster.Start(t)
		caughtUp(t, all)
	}
	l.more(t, 20)
	l.end()
	heardAll(t, all)
	verify(t, all[1].DB)
}

// A feed whose session is ended, again and again, misses nothing, and keeps its
// promise in between.
func TestFeedSessionsEnd(t *testing.T) {
	dbs := replicas(t, 3)
	all := hearers(t, dbs...)
	l := newLoad(t, all)
	for range 10 {
		l.more(t, 5)
		_, err := dbs[0].reads.db.ExecContext(t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()`, feedName)
		require.NoError(t, err)
	}
	l.more(t, 10)
	l.end()
	caughtUp(t, all)
	heardAll(t, all)
}

// A replica that the network keeps from the database lapses, and the others revoke
// without it. When it is back it has everything, and it never had a lease without.
func TestReplicaStalls(t *testing.T) {
	for _, tt := range []struct {
		name          string
		fault, mended func(*proxy)
	}{
		{"stalls", (*proxy).stall, (*proxy).resume},
		{"hears nothing", (*proxy).silence, (*proxy).resume},
		{"stalls, and loses its connections", (*proxy).stall, func(p *proxy) {
			p.cut()
			p.resume()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dsn := storetest.Postgres(t).Database(t)
			p, through := newProxy(t, dsn)
			defer p.resume()
			all := hearers(t, open(t, config(t, dsn)), open(t, config(t, through)))
			watching := &load{all: all}
			ctx, stop := context.WithCancel(t.Context())
			watching.wg.Go(func() { watching.watch(ctx, t, all[1]) })
			defer watching.wg.Wait()
			defer stop()
			for range 2 {
				for range 5 {
					number, err := all[0].revoke()
					require.NoError(t, err)
					require.True(t, all[1].knows(number))
					watching.promised.Store(number)
				}
				tt.fault(p)
				for range 5 {
					number, err := all[0].revoke()
					require.NoError(t, err)
					require.True(t, all[1].Lapsed())
					require.Less(t, all[1].top.Load(), number)
					watching.promised.Store(number)
				}
				tt.mended(p)
				caughtUp(t, all)
				require.True(t, all[1].knows(watching.promised.Load()))
			}
			heardAll(t, all)
		})
	}
}

// deaf opens two replicas, the second of which hears no NOTIFY of revocations: it
// finds out when it asks.
func deaf(t *testing.T) ([]*hearer, *proxy) {
	dsn := storetest.Postgres(t).Database(t)
	p, through := newProxy(t, dsn)
	p.misspell(channelRevoked)
	return hearers(t, named(t, dsn, "a"), named(t, through, "deaf")), p
}

// No promise rests on a NOTIFY that arrives.
func TestFeedWithoutNotify(t *testing.T) {
	all, _ := deaf(t)
	l := newLoad(t, all)
	l.more(t, 30)
	l.end()
	heardAll(t, all)
}

// A lease counts from when the replica asked, not from the answer: what was revoked
// while that was on its way is not in it.
func TestLateAnswer(t *testing.T) {
	all, p := deaf(t)
	defer p.resume()
	for range 3 {
		p.silenceAt("deaf") // in the answer, among the replicas
		require.Eventually(t, p.silent, 30*time.Second, time.Millisecond)
		number, err := all[0].revoke()
		require.NoError(t, err)
		p.resume()
		for all[1].top.Load() < number {
			require.True(t, all[1].knows(number))
		}
		caughtUp(t, all)
	}
}

// A lease is renewed after the hooks have returned, not before.
func TestLeaseAfterHooks(t *testing.T) {
	all, _ := deaf(t)
	var gate sync.Mutex
	defer all[1].OnRevoked(func([]Revocation, bool) {
		gate.Lock()
		defer gate.Unlock()
	})()
	for range 5 {
		gate.Lock()
		_, err := all[0].revoke()
		require.NoError(t, err)
		lapsed := all[1].Lapsed()
		gate.Unlock()
		require.True(t, lapsed)
		caughtUp(t, all)
	}
	heardAll(t, all)
}

// A replica that was away for a hundred thousand revocations comes back with all of
// them, in order, though it reads them page by page.
func TestFeedCatchesUp(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	p, through := newProxy(t, dsn)
	defer p.resume()
	all := hearers(t, open(t, config(t, dsn)), open(t, config(t, through)))
	p.stall()
	require.Eventually(t, all[1].Lapsed, 30*time.Second, time.Millisecond)
	const revocations, together = 5 * feedPage, 7 // which is no part of a page
	_, err := all[0].reads.db.ExecContext(t.Context(), `
		INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
		SELECT int8send(n) || int8send(n), 'device/a', 1, 1, 1, 1 + n / $2, 1 FROM generate_series(1, $1::bigint) n`, revocations, together)
	require.NoError(t, err)
	_, err = all[0].reads.db.ExecContext(t.Context(), `UPDATE crl_number SET number = 1 + $1::bigint`, revocations/together)
	require.NoError(t, err)
	p.resume()
	for _, h := range all {
		require.Eventually(t, func() bool { return h.top.Load() == 1+revocations/together }, 60*time.Second, 5*time.Millisecond)
		numbers := h.numbers()
		require.Equal(t, revocations, len(numbers))
		require.True(t, slices.IsSorted(numbers))
	}
	caughtUp(t, all)
}

// A page ends with a number of which there is no more.
func TestCompletePages(t *testing.T) {
	for _, tt := range []struct{ page, want []int64 }{
		{nil, nil}, {[]int64{1, 2, 3}, []int64{1, 2}}, {[]int64{1, 2, 2, 2}, []int64{1}}, {[]int64{2, 2}, nil},
	} {
		var got []int64
		var page []Revocation
		for _, n := range tt.page {
			page = append(page, Revocation{Number: n})
		}
		for _, r := range exceptLast(page) {
			got = append(got, r.Number)
		}
		require.Equal(t, tt.want, got)
	}
}

// A database whose CRL number falls has lost revocations, as one does whose standby
// takes over before it has everything: nothing is issued any more, and nobody has a
// lease.
func TestFeedSetBack(t *testing.T) {
	all := hearers(t, replicas(t, 2)...)
	for range 3 {
		_, err := all[0].revoke()
		require.NoError(t, err)
	}
	heardAll(t, all)
	_, err := all[0].reads.db.ExecContext(t.Context(), `UPDATE crl_number SET number = 1`)
	require.NoError(t, err)
	for _, h := range all {
		require.Eventually(t, func() bool { return errors.Is(h.Health(), ErrSetBack) && h.Lapsed() }, 30*time.Second, 5*time.Millisecond)
	}
}

// A proxy that drops connections at any moment costs a replica its lease, and nobody
// a revocation or a token's single use.
func TestReplicaConnectionsDrop(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	p, through := newProxy(t, dsn)
	all := hearers(t, open(t, config(t, dsn)), open(t, config(t, through)), open(t, config(t, through)))
	l := newLoad(t, all)
	for range 5 {
		id := token(t, all[0].DB, 1)
		var cuts sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		cuts.Go(func() {
			for ctx.Err() == nil {
				p.cut()
				select {
				case <-ctx.Done():
				case <-time.After(rand.N(50 * time.Millisecond)):
				}
			}
		})
		spent := 0
		for _, err := range parallel(30, func(i int) error {
			return update(all[i%3].DB, func(tx *Tx) { tx.SpendToken(id) })
		}) {
			if err == nil {
				spent++
			}
		}
		require.LessOrEqual(t, spent, 1)
		k, err := all[0].Token(t.Context(), id)
		require.NoError(t, err)
		require.LessOrEqual(t, k.Uses, 1)
		require.GreaterOrEqual(t, k.Uses, spent)
		stop()
		cuts.Wait()
		l.more(t, 6)
	}
	l.end()
	caughtUp(t, all)
	heardAll(t, all)
	verify(t, all[0].DB)
}

// The wall clock of a replica may be wrong by hours: it keeps its lease, its place
// among the others, and their promises.
func TestWrongClock(t *testing.T) {
	cfg := config(t, storetest.Postgres(t).Database(t))
	var dbs []*DB
	for _, off := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour} {
		cfg.Now = func() time.Time { return time.Now().Add(off) }
		dbs = append(dbs, open(t, cfg))
	}
	all := hearers(t, dbs...)
	for i := range 9 {
		number, err := all[i%3].revoke()
		require.NoError(t, err)
		for _, h := range all {
			require.True(t, h.knows(number))
		}
	}
	heardAll(t, all)
	caughtUp(t, all)
	believing(t, all)
	require.Eventually(t, func() bool {
		status, err := dbs[1].Replicas(t.Context())
		require.NoError(t, err)
		require.Len(t, status, 3)
		live := true
		for _, s := range status {
			live = live && s.Live
			require.WithinDuration(t, time.Now(), s.Started, time.Hour)
		}
		return live
	}, 30*time.Second, 10*time.Millisecond)
	require.True(t, dbs[0].Eldest())
}

// A process whose feed is away still tells its own hooks what it revokes, before the
// call returns.
func TestRevokeWithoutFeed(t *testing.T) {
	all := hearers(t, replicas(t, 2)...)
	all[0].leave()
	require.True(t, all[0].Lapsed())
	number, err := all[0].revoke()
	require.NoError(t, err)
	require.Equal(t, number, all[0].top.Load())
	require.True(t, all[1].knows(number))
	heardAll(t, all)
}
