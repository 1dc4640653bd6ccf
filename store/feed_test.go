package store

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// When a call that revokes returns, every replica has heard of it, or says that it
// may not have.
func TestRevokeEverywhere(t *testing.T) {
	all := hearers(t, replicas(t, 3)...)
	_, err := all[0].revoke() // a number to believe in
	require.NoError(t, err)
	believing(t, all)
	for i := range 30 {
		number, err := all[i%3].revoke()
		require.NoError(t, err)
		for _, h := range all {
			require.True(t, h.knows(number))
		}
	}
	heardAll(t, all)
}

// Of a revocation the process that made it hears that it did, and the others that
// they did not.
func TestRevokedHere(t *testing.T) {
	all := hearers(t, replicas(t, 2)...)
	for range 10 {
		_, err := all[0].revoke()
		require.NoError(t, err)
	}
	heardAll(t, all)
	require.EqualValues(t, 10, all[0].here.Load())
	require.Zero(t, all[1].here.Load())
}

// Replicas that revoke at once take numbers that rise, and every hook hears of all of
// them, once, in their order, whether its own writer told it or the feed.
func TestRevokeAtOnce(t *testing.T) {
	all := hearers(t, replicas(t, 3)...)
	const callers, calls = 6, 15
	var mu sync.Mutex
	var numbers []int64
	for _, err := range parallel(callers, func(i int) error {
		for range calls {
			number, err := all[i%3].revoke()
			if err != nil {
				return err
			}
			for _, h := range all {
				if !h.knows(number) {
					t.Errorf("not heard of %d", number)
				}
			}
			mu.Lock()
			numbers = append(numbers, number)
			mu.Unlock()
		}
		return nil
	}) {
		require.NoError(t, err)
	}
	heardAll(t, all)
	slices.Sort(numbers)
	require.Equal(t, numbers, all[0].numbers())
	require.Len(t, slices.Compact(numbers), callers*calls)
}

// What the writer and the feed have both read is told once, in order; what one of
// them read before the other told more is not told again; and nothing is taken for
// told before the hooks know it.
func TestDeliverOnce(t *testing.T) {
	d := open(t, config(t, "sqlite:"+t.TempDir()+"/betonica.db"))
	f := &d.feed
	var heard []int64
	defer d.OnRevoked(func(all []Revocation, _ bool) {
		require.Less(t, f.seen.Load(), all[0].Number)
		for _, r := range all {
			heard = append(heard, r.Number)
		}
	})()
	numbered := func(numbers ...int64) (all []Revocation) {
		for _, n := range numbers {
			all = append(all, Revocation{Number: n})
		}
		return all
	}
	f.deliver(numbered(2, 2, 3))
	f.deliver(numbered(2, 2, 3, 4))
	f.deliver(numbered(2, 2))
	f.deliver(nil)
	f.deliver(numbered(4, 7, 7))
	require.Equal(t, []int64{2, 2, 3, 4, 7, 7}, heard)
	require.EqualValues(t, 7, f.seen.Load())
}

// A replica whose hooks do not return loses its lease; the call that revoked waits for
// that and no longer, and meanwhile the writer goes on.
func TestRevokeOutlivesSlowReplica(t *testing.T) {
	all := hearers(t, replicas(t, 2)...)
	var gate sync.Mutex
	defer all[1].OnRevoked(func([]Revocation, bool) {
		gate.Lock()
		defer gate.Unlock()
	})()
	for wrote, tries := false, 0; !wrote; tries++ { // a machine that stands still meanwhile shows nothing
		require.Less(t, tries, 20, "the writer waited, too")
		_, err := all[0].revoke()
		require.NoError(t, err)
		believing(t, all)
		before, done := all[0].top.Load(), make(chan error, 1)
		gate.Lock()
		go func() {
			_, err := all[0].revoke()
			done <- err
		}()
		require.Eventually(t, func() bool { return all[0].top.Load() > before }, 30*time.Second, time.Millisecond)
		must(t, all[0].DB, func(*Tx) {})
		wrote = len(done) == 0 && !all[1].Lapsed()
		require.NoError(t, <-done)
		require.True(t, all[1].Lapsed())
		gate.Unlock()
		caughtUp(t, all)
	}
	heardAll(t, all)
}
