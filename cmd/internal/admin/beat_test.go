package admin

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// While nothing else is sent, who waits hears every two seconds how far it was last: a bar
// that he draws of it never goes back. One who is gone ends the work.
func TestBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		var mu sync.Mutex // of what the beat's goroutine sees, too
		var sent []string
		var fails error
		says := func(text string) func() error {
			return func() error {
				mu.Lock()
				defer mu.Unlock()
				sent = append(sent, text)
				return fails
			}
		}
		wait := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		b := beating(says("0 of 1"), stop)
		wait(5 * time.Second)
		require.Equal(t, []string{"0 of 1", "0 of 1"}, sent)
		b.note(says("4 of 10"))
		wait(4 * time.Second)
		b.note(says("7 of 10"))
		wait(500 * time.Millisecond)
		require.Equal(t, []string{"0 of 1", "0 of 1", "4 of 10", "4 of 10", "7 of 10"}, sent)
		require.NoError(t, ctx.Err())
		gone := errors.New("gone")
		mu.Lock()
		fails = gone
		mu.Unlock()
		wait(4 * time.Second)
		require.ErrorIs(t, context.Cause(ctx), gone)
		b.end()
		n := len(sent)
		wait(time.Minute)
		require.Len(t, sent, n)
	})
}
