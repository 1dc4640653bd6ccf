package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hands are a system's clocks, of which one can be set.
type hands struct {
	wall time.Time
	up   time.Duration
}

func (h *hands) pass(d time.Duration) { h.wall, h.up = h.wall.Add(d), h.up+d }

func (h *hands) clock(floor time.Time, offset time.Duration) *clock {
	return newClock(func() time.Time { return h.wall }, func() time.Duration { return h.up }, floor, offset)
}

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// A clock below its floor is not believed, goes on from there, and takes the CA's time.
func TestFloor(t *testing.T) {
	h := &hands{wall: time.Unix(0, 0)}
	c := h.clock(noon, 0)
	require.Equal(t, noon, c.now().UTC())
	earliest, doubt := c.doubtful()
	require.True(t, doubt)
	require.Equal(t, noon, earliest)
	h.pass(time.Hour)
	require.Equal(t, noon.Add(time.Hour), c.now().UTC())

	off, news := c.heard(noon.Add(240 * time.Hour))
	require.True(t, news)
	require.Less(t, off, time.Duration(0))
	_, doubt = c.doubtful()
	require.False(t, doubt)
	h.pass(time.Hour)
	require.Equal(t, noon.Add(241*time.Hour), c.now().UTC())

	_, news = c.heard(noon.Add(241 * time.Hour)) // known
	require.False(t, news)
	_, news = c.heard(noon.Add(24 * time.Hour)) // over
	require.False(t, news)
	require.Equal(t, noon.Add(241*time.Hour), c.now().UTC())

	// The next process knows as much, wherever the system's clock is now.
	floor, offset := c.known()
	for name, wall := range map[string]time.Time{"lost again": time.Unix(7, 0), "as it was": h.wall, "set right": noon.Add(241*time.Hour + time.Minute)} {
		again := (&hands{wall: wall}).clock(floor, offset)
		require.WithinDuration(t, noon.Add(241*time.Hour), again.now(), 2*time.Minute, name)
	}
}

// A system's clock that is ahead stays ahead for the next process, until it is set
// right; neither costs a certificate.
func TestAhead(t *testing.T) {
	h := &hands{wall: noon.AddDate(3, 0, 0)}
	c := h.clock(time.Time{}, 0)
	_, news := c.heard(noon)
	require.True(t, news)
	floor, offset := c.known()
	require.Equal(t, noon, h.clock(floor, offset).now())
	h.wall = noon.Add(time.Hour)
	require.Equal(t, noon.Add(time.Hour), h.clock(floor, offset).now())
}

// A jump, forward or back, moves nothing before the CA said so. A clock that is
// slewed is followed.
func TestJumps(t *testing.T) {
	for _, jump := range []time.Duration{-time.Hour, 400 * 24 * time.Hour} {
		h := &hands{wall: noon}
		c := h.clock(noon.AddDate(0, -1, 0), 0)
		h.pass(time.Minute)
		h.wall = h.wall.Add(jump)
		require.Equal(t, noon.Add(time.Minute), c.now())
		_, doubt := c.doubtful()
		require.True(t, doubt)
		h.pass(time.Minute)
		require.Equal(t, noon.Add(2*time.Minute), c.now())

		if jump > 0 { // it was asleep, says the CA
			_, news := c.heard(h.wall)
			require.False(t, news)
			require.Equal(t, h.wall, c.now())
			continue
		}
		_, news := c.heard(noon.Add(2 * time.Minute)) // it was set wrong
		require.True(t, news)
		require.Equal(t, noon.Add(2*time.Minute), c.now())
		h.wall = h.wall.Add(-jump) // and right
		require.Equal(t, noon.Add(2*time.Minute), c.now())
		_, doubt = c.doubtful()
		require.True(t, doubt)
		_, news = c.heard(noon.Add(2 * time.Minute))
		require.False(t, news)
	}
	h := &hands{wall: noon}
	c := h.clock(time.Time{}, 0)
	for range 100 {
		h.pass(time.Hour)
		h.wall = h.wall.Add(time.Minute)
		c.now()
	}
	require.Equal(t, h.wall, c.now())
	_, doubt := c.doubtful()
	require.False(t, doubt)
}
