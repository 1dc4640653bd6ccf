package deliver_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// Two replicas that both believe to be the eldest repeat records, and lose none; the
// cursor moves forward alone.
func TestTwoDeliver(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	defer w.Close()
	w.record("token.create", 3000)
	siem := &receiver{}
	var last int64
	stops := []func(){
		start(t, w.engine(w.DB, outlet("siem", siem))),
		start(t, w.engine(w.DB, outlet("siem", siem))),
		start(t, w.engine(w.DB, outlet("siem", siem))),
	}
	require.Eventually(t, func() bool {
		at, err := w.Delivered(t.Context(), "siem", store.OwnLog)
		require.NoError(t, err)
		require.GreaterOrEqual(t, at, last)
		last = at
		return at == w.LogSize()
	}, time.Minute, time.Millisecond)
	for _, stop := range stops {
		stop()
	}
	seen := map[int64]bool{}
	for _, r := range siem.taken() {
		seen[r.Entry.Seq] = true
	}
	require.Len(t, seen, int(w.LogSize()))
}

// Of several processes on a database the eldest delivers, and the others say that they do
// not; when it goes, the next one goes on where it was.
func TestEldest(t *testing.T) {
	w := newWorld(t, storetest.Postgres(t).Database(t))
	w.config.Replica.Name = "a"
	a := w.another()
	w.config.Replica.Name = "b"
	b := w.another()
	require.NoError(t, w.Close())
	w.DB = b
	defer b.Close()
	siem, other := &receiver{}, &receiver{}
	first, second := w.engine(a, outlet("siem", siem)), w.engine(b, outlet("siem", other))
	stop := start(t, first)
	defer start(t, second)()
	w.record("token.create", 20)
	arrived := func(at *store.DB, n int64) func() bool {
		return func() bool {
			seq, err := at.Delivered(t.Context(), "siem", store.OwnLog)
			require.NoError(t, err)
			return seq == n
		}
	}
	require.Eventually(t, arrived(a, 21), time.Minute, 10*time.Millisecond)
	require.Eventually(t, func() bool { return first.Status()[0].Active }, time.Minute, time.Millisecond) // said once all is delivered
	require.False(t, second.Status()[0].Active)
	require.Zero(t, second.Status()[0].Sent)
	stop()
	require.NoError(t, a.Close())
	w.record("token.create", 5)
	require.Eventually(t, arrived(b, 26), time.Minute, 10*time.Millisecond)
	whole(t, append(siem.taken(), other.taken()...), origin, 1, 26)
	require.NotEmpty(t, other.taken())
}

// A runner is a receiver that has something to do between records, and must not be closed
// while it does.
type runner struct {
	receiver
	ran chan bool
}

func (r *runner) Run(ctx context.Context) error {
	<-ctx.Done()
	time.Sleep(time.Second)
	r.ran <- r.closed
	return nil
}

// A sink that runs is run beside what it is sent, and closed when that has ended; and each
// gets as many records at a time as its outlet says.
func TestRunner(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 1_000)
		var batches []int
		siem := &runner{ran: make(chan bool, 1)}
		siem.take = func(batch []deliver.Record) (int, error) {
			batches = append(batches, len(batch))
			return len(batch), nil
		}
		large := outlet("siem", siem)
		large.Batch = 600
		stop := start(t, w.engine(w.DB, large))
		time.Sleep(10 * time.Second)
		stop()
		require.False(t, <-siem.ran, "closed before it had ended")
		require.True(t, siem.closed)
		require.Equal(t, 600, batches[0])
		whole(t, siem.taken(), origin, 1, w.LogSize())
	})
}
