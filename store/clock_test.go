package store

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// While the clock cannot be right nothing is recorded but revocations; when it is
// right again the store goes on by itself.
func TestClock(t *testing.T) {
	var off atomic.Int64
	cfg := config(t, "sqlite:"+t.TempDir()+"/betonica.db")
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	d := open(t, cfg)
	require.NoError(t, create(d, 1))
	for _, back := range []time.Duration{time.Hour, 6 * time.Minute} {
		off.Store(int64(-back))
		require.ErrorIs(t, create(d, 2), ErrClock)
		_, err := d.SignCheckpoint(t.Context())
		require.ErrorIs(t, err, ErrClock)
		require.Equal(t, TroubleClock, TroubleOf(d.Health()))
		require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, device(1)))
		off.Store(0)
		require.NoError(t, d.Health())
		require.NoError(t, create(d, 100+int(back.Minutes())))
	}
	off.Store(-int64(4 * time.Minute)) // as far as machines' clocks may differ
	require.NoError(t, create(d, 3))
	verify(t, d)
}

// A store whose log ends after now opens, for whoever wants to read it, and records
// nothing before the clock has caught up, or somebody who knows better says so.
func TestClockAtOpen(t *testing.T) {
	d, _, cfg := onDisk(t)
	require.NoError(t, create(d, 1))
	require.NoError(t, d.Close())
	cfg.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	d, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	require.ErrorIs(t, create(d, 2), ErrClock)
	require.Equal(t, TroubleClock, TroubleOf(d.Health()))
	require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, device(1)))
	require.NoError(t, d.Close())

	cfg.AcceptClock = true
	d, err = Open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, create(d, 2))
	require.NoError(t, d.Close())
}

// A clock is compared with one that only runs, and with the database server's: of
// two that differ, it is the daemon that stops.
func TestClockCompared(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		wall, run time.Duration // since the start
		server    time.Duration // that it is ahead of ours
		right     bool
	}{
		{time.Hour, time.Hour, 0, true},
		{time.Hour + 4*time.Minute, time.Hour, 0, true},
		{time.Hour + 6*time.Minute, time.Hour, 0, false},
		{time.Hour - 6*time.Minute, time.Hour, 0, false},
		{time.Hour, time.Hour, 4 * time.Minute, true},
		{time.Hour, time.Hour, 6 * time.Minute, false},
		{time.Hour, time.Hour, -6 * time.Minute, false},
	} {
		var c clock
		wall := at
		c.start(func() time.Time { return wall }, time.Time{}, true)
		c.run = func() time.Duration { return tt.run }
		wall = at.Add(tt.wall)
		c.compare(wall.Add(tt.server))
		if tt.right {
			require.NoError(t, c.check(), tt)
		} else {
			require.ErrorIs(t, c.check(), ErrClock, tt)
		}
	}
}

// A clock that jumps ahead and is set right again is right, also if something was revoked
// meanwhile: as far back as what is on record from before the jump.
func TestClockSetRight(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var c clock
	wall, run := at, time.Duration(0)
	c.start(func() time.Time { return wall }, at, true)
	c.run = func() time.Duration { return run }
	wall, run = at.Add(10*time.Minute), 10*time.Minute
	c.recorded(wall)
	wall = wall.Add(time.Hour)
	c.recorded(wall)
	require.ErrorIs(t, c.check(), ErrClock)
	wall = wall.Add(-time.Hour)
	require.NoError(t, c.check())
	wall, run = at.Add(4*time.Minute), 4*time.Minute
	require.ErrorIs(t, c.check(), ErrClock)
}

// The database server's clock is looked at every second.
func TestClockOfServer(t *testing.T) {
	cfg := config(t, storetest.Postgres(t).Database(t))
	cfg.Now = nil
	d := open(t, cfg)
	d.clock.off.Store(int64(24 * time.Hour / time.Millisecond))
	require.Equal(t, TroubleClock, TroubleOf(d.Health()))
	require.Eventually(t, func() bool { return d.Health() == nil }, 30*time.Second, 10*time.Millisecond)
}
