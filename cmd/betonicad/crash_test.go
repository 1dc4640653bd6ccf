package main_test

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// perCA is after how many kills another CA takes over: what is looked at after each
// grows with what has happened before.
const perCA = 100

// No certificate leaves the daemon unless it, its audit entry and the spending of its
// token are on disk, and no revocation that was acknowledged is ever lost: a daemon
// that is killed at any moment under load, at its start, while it stops or beside a
// backup comes back with all that anybody was told, with a log that verifies, with
// revocation lists that go on above every number that was seen, and answers those
// again who got no answer.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := *kills
	if raceFlag != nil {
		rounds = min(rounds, 3) // it is for the detector then, and slow
	}
	for rounds > 0 {
		n := min(rounds, perCA)
		rounds -= n
		c := newClientele(t, newCA(t))
		c.killed(t, n, "sqlite3", "file:"+filepath.Join(c.dir, "betonica.db"))
	}
}

// killed kills the daemon so often.
func (c *clientele) killed(t *testing.T, rounds int, driver, dsn string) {
	for round := range rounds + 1 {
		d, err := start(c.dir)
		require.NoError(t, err)
		c.check(t, d, driver, dsn)
		if round == rounds {
			require.NoError(t, d.stop())
			break
		}
		issued := make(chan struct{})
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			c.run(t.Context(), d, issued)
		}()
		select {
		case <-issued:
			c.end(t, d, round)
		case <-gone: // no machine gets on: said below
		}
		d.kill()
		<-gone
		require.False(t, t.Failed(), "the daemon said:\n%s", d.log.tail())
	}
	require.Greater(t, len(c.held), rounds, "the load was no load")
	t.Logf("%d kills, %d certificates held, %d of them revoked, %d ordered, %d requests never answered",
		rounds, len(c.held), len(c.fallen), c.ordered, len(c.unanswered))
}

// end brings the daemon into the state in which it is killed: mostly under load, now
// and then beside a backup, while it stops, or at its next start.
func (c *clientele) end(t *testing.T, d *daemon, round int) {
	pause := func(most time.Duration) { <-time.After(rand.N(most)) }
	switch round % 8 {
	case 3:
		out := filepath.Join(t.TempDir(), "backup")
		cmd, err := command("betonicad", "backup", "--dir", c.dir, "--out", out, "--plain")
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		pause(300 * time.Millisecond)
		d.kill()
		err = cmd.Wait()
		_, missing := os.Stat(out)
		require.Equal(t, err == nil, missing == nil, "there is a backup, or it failed")
		if err == nil {
			dir := filepath.Join(t.TempDir(), "restored")
			run(t, "betonicad", "restore", "--dir", dir, out)
		}
	case 5:
		pause(300 * time.Millisecond)
		d.signal(syscall.SIGTERM)
		pause(50 * time.Millisecond)
	case 7:
		pause(100 * time.Millisecond)
		d.kill()
		next, err := command("betonicad", "serve", "--dir", c.dir, "--https", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ops", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, next.Start())
		pause(400 * time.Millisecond)
		require.NoError(t, next.Process.Kill())
		next.Wait()
	default:
		pause(300 * time.Millisecond)
	}
}

// The same on PostgreSQL, whose postmaster is killed in turn: then the daemon goes on
// by itself.
func TestKillPostgres(t *testing.T) {
	t.Parallel()
	cluster := storetest.Private(t)
	dsn := cluster.Database(t)
	c := newClientele(t, newCA(t, "--dsn", dsn))
	c.faults = true
	rounds := max(2, *kills/5)
	if raceFlag != nil {
		rounds = 2
	}
	d, err := start(c.dir)
	require.NoError(t, err)
	c.check(t, d, "pgx", dsn)
	for round := range rounds {
		c.while(t, d, func(issued <-chan struct{}) {
			waitFor(t, d, issued)
			<-time.After(rand.N(300 * time.Millisecond))
			if round%2 == 0 {
				d.kill()
				return
			}
			cluster.Crash(t)
			d.awaitReadiness(t, http.StatusServiceUnavailable)
			cluster.Start(t)
			d.awaitReadiness(t, http.StatusOK)
			waitFor(t, d, issued)
		})
		if round%2 == 0 {
			d, err = start(c.dir)
			require.NoError(t, err)
		}
		c.check(t, d, "pgx", dsn)
		require.False(t, t.Failed(), "the daemon said:\n%s", d.log.tail())
	}
	require.NoError(t, d.stop())
	t.Logf("%d kills of daemon and server, %d certificates held, %d of them revoked, %d ordered", rounds, len(c.held), len(c.fallen), c.ordered)
}
