package main_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// No certificate leaves the daemon unless it, its audit entry and the spending
// of its token are on disk: a daemon that is killed at any moment under load
// comes back with every certificate that anybody holds, with a log that
// verifies, and answers those again who got no answer.
func TestKill(t *testing.T) {
	dir := newCA(t)
	crowd := newLoad(t, dir)
	rounds := *kills
	if raceFlag != nil {
		rounds = min(rounds, 3) // it is for the detector then, and slow
	}
	for round := range rounds + 1 {
		d, err := start(dir)
		require.NoError(t, err)
		crowd.compare(t, "sqlite3", "file:"+filepath.Join(dir, "betonica.db"))
		run(t, "betonicad", "audit", "verify", "--dir", dir)
		if round == rounds {
			require.NoError(t, d.stop())
			break
		}

		issued := make(chan struct{})
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			crowd.run(t.Context(), d, 8, issued)
		}()
		select {
		case <-issued:
			<-time.After(rand.N(300 * time.Millisecond))
		case <-gone: // no machine gets on: said below
		}
		d.kill()
		<-gone
		require.False(t, t.Failed(), "the daemon said:\n%s", d.log.tail())
	}
	require.Greater(t, len(crowd.held), rounds, "the load was no load")
	t.Logf("%d kills, %d certificates held, %d requests never answered", rounds, len(crowd.held), len(crowd.unanswered))
}
