package turns_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/turns"
)

// full returns a queue in which one is served, so that others wait, and what ends that.
func full(t *testing.T, c turns.Config) (q *turns.Queue, leave func()) {
	c.Running = 1
	q = turns.New(c)
	leave, err := q.Enter(t.Context(), name(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	return q, leave
}

// name is of a machine that was never there.
func name() string { return crand.Text() }

// Those whose certificate ends sooner are served sooner, whenever they came; one that has
// ended already comes after those who still have a day.
func TestNearestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, leave := full(t, turns.Config{Patience: time.Hour})
		var served []time.Duration
		var all sync.WaitGroup
		left := []time.Duration{3 * time.Hour, time.Minute, -time.Hour, 48 * time.Hour, time.Hour}
		for _, l := range left {
			all.Go(func() {
				leave, err := q.Enter(t.Context(), name(), time.Now().Add(l))
				if err == nil {
					served = append(served, l) // one at a time
					leave()
				}
			})
			synctest.Wait()
		}
		leave()
		all.Wait()
		require.Equal(t, []time.Duration{time.Minute, time.Hour, 3 * time.Hour, -time.Hour, 48 * time.Hour}, served)
		running, waiting, away := q.Stats()
		require.Equal(t, []int64{0, 0, 0}, []int64{int64(running), int64(waiting), away})
	})
}

// Where there is no room, it is the one with most time left who goes, also if he was there
// before; and nobody waits longer than he has patience for, or once he has gone.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, leave := full(t, turns.Config{Waiting: 1, Patience: 5 * time.Second})
		enter := func(ctx context.Context, left time.Duration) chan error {
			out := make(chan error, 1)
			go func() {
				leave, err := q.Enter(ctx, name(), time.Now().Add(left))
				if err == nil {
					leave()
				}
				out <- err
			}()
			synctest.Wait()
			return out
		}
		far := enter(t.Context(), 10*time.Hour)
		near := enter(t.Context(), time.Minute)
		var busy *turns.BusyError
		require.ErrorAs(t, <-far, &busy)
		farther := enter(t.Context(), 20*time.Hour)
		require.ErrorAs(t, <-farther, &busy)

		start := time.Now()
		require.ErrorAs(t, <-near, &busy, "the patience of near is over")
		require.Equal(t, 5*time.Second, time.Since(start))
		require.LessOrEqual(t, busy.RetryAfter, 28*time.Second, "half of what is left")

		ctx, cancel := context.WithCancelCause(t.Context())
		gone := enter(ctx, time.Minute)
		why := errors.New("hung up")
		cancel(why)
		require.ErrorIs(t, <-gone, why)
		running, waiting, away := q.Stats()
		require.Equal(t, []int64{1, 0, 3}, []int64{int64(running), int64(waiting), away})
		leave()
		require.NoError(t, <-enter(t.Context(), time.Hour), "nobody who went away holds a place")
	})
}

// Those who are sent away come back one after the other, and none after its end.
func TestSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, leave := full(t, turns.Config{Waiting: 1, Patience: time.Nanosecond})
		defer leave()
		perSecond := make(map[int]int)
		for range 10_000 {
			_, err := q.Enter(t.Context(), name(), time.Now().Add(12*time.Hour))
			busy, ok := errors.AsType[*turns.BusyError](err)
			require.True(t, ok, "%v", err)
			require.GreaterOrEqual(t, busy.RetryAfter, time.Second)
			require.LessOrEqual(t, busy.RetryAfter, time.Hour)
			perSecond[int(busy.RetryAfter/time.Second)]++
		}
		most := 0
		for _, n := range perSecond {
			most = max(most, n)
		}
		require.Greater(t, len(perSecond), 100)
		require.LessOrEqual(t, most, 200, "of a rate of 100 a second that is believed in")

		_, err := q.Enter(t.Context(), name(), time.Now().Add(10*time.Second))
		busy, ok := errors.AsType[*turns.BusyError](err)
		require.True(t, ok)
		require.LessOrEqual(t, busy.RetryAfter, 5*time.Second)
	})
}

// Whatever comes and goes, no place is lost, and no more are served than may be.
func TestNoPlaceLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := turns.New(turns.Config{Running: 4, Waiting: 8, Patience: 3 * time.Second})
		var all sync.WaitGroup
		var mu sync.Mutex
		served, inside, most := 0, 0, 0
		for range 2_000 {
			all.Go(func() {
				time.Sleep(time.Duration(rand.IntN(600)) * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+rand.IntN(5))*time.Second)
				defer cancel()
				leave, err := q.Enter(ctx, name(), time.Now().Add(time.Duration(rand.IntN(1000))*time.Minute))
				if err != nil {
					return
				}
				mu.Lock()
				served++
				inside++
				most = max(most, inside)
				mu.Unlock()
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
				mu.Lock()
				inside--
				mu.Unlock()
				leave()
			})
		}
		all.Wait()
		require.Equal(t, 4, most)
		require.Greater(t, served, 1_000)
		running, waiting, _ := q.Stats()
		require.Zero(t, running)
		require.Zero(t, waiting)
	})
}

// One machine is there so often and no more, however near the end of its certificate is:
// the others keep their places, and it can come again once it has been served, or gave up.
func TestOneAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, leave := full(t, turns.Config{Waiting: 3, Each: 2, Patience: time.Minute})
		enter := func(ctx context.Context, who string, left time.Duration) chan error {
			out := make(chan error, 1)
			go func() {
				leave, err := q.Enter(ctx, who, time.Now().Add(left))
				if err == nil {
					leave()
				}
				out <- err
			}()
			synctest.Wait()
			return out
		}
		pump := enter(t.Context(), "device/pump-1", time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		first := enter(ctx, "device/thief", time.Minute)
		second := enter(t.Context(), "device/thief", time.Minute)
		var busy *turns.BusyError
		for range 10 {
			require.ErrorAs(t, <-enter(t.Context(), "device/thief", time.Minute), &busy)
			require.LessOrEqual(t, busy.RetryAfter, time.Minute)
		}
		_, waiting, _ := q.Stats()
		require.Equal(t, 3, waiting, "the pump keeps its place")
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		third := enter(t.Context(), "device/thief", time.Minute)
		leave()
		for _, one := range []chan error{pump, second, third} {
			require.NoError(t, <-one)
		}
		require.NoError(t, <-enter(t.Context(), "device/thief", time.Minute))
	})
}
