package journal

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// The writer is told when as many wait as it waits for, not before, and at once if they are
// there already; what it was told of a wait that is over does not count for the next.
func TestQueueAwait(t *testing.T) {
	q := newQueue()
	told := func() bool {
		select {
		case <-q.enough:
			return true
		default:
			return false
		}
	}
	add := func() {
		require.NoError(t, q.enter(t.Context(), nil))
		q.add(new(call))
	}
	q.await(2)
	add()
	require.False(t, told())
	add()
	require.True(t, told())
	add()
	require.False(t, told(), "nobody waits any more")
	q.await(3)
	require.True(t, told(), "they are there already")
	q.await(3)
	q.await(5)
	require.False(t, told(), "that was about three")
	add()
	add()
	require.True(t, told())
}

// A batch is of those who came first, and has a bound; who is taken leaves his place to
// another. For a place one waits no longer than his context, nor for a journal that is
// closed.
func TestQueuePlaces(t *testing.T) {
	q := newQueue()
	all := make([]call, maxWaiting)
	for i := range all {
		require.NoError(t, q.enter(t.Context(), nil))
		q.add(&all[i])
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the caller is gone")
	cancel(why)
	require.ErrorIs(t, q.enter(ctx, nil), why)
	closed := make(chan struct{})
	close(closed)
	require.ErrorIs(t, q.enter(t.Context(), closed), ErrClosed)

	batch, last := q.take(nil)
	require.Len(t, batch, maxBatch)
	require.Same(t, &all[0], batch[0])
	require.Same(t, &all[maxBatch-1], batch[maxBatch-1])
	require.False(t, last.IsZero())
	for range maxBatch {
		require.NoError(t, q.enter(ctx, nil))
	}
	require.ErrorIs(t, q.enter(ctx, nil), why)
	batch, _ = q.take(batch[:1])
	require.Len(t, batch, maxBatch)
	require.Same(t, &all[maxBatch], batch[1])
	require.False(t, q.empty())
}
