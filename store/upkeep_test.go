package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// One process removes what has left its retention, and archives the log, both in one
// run; the others leave it to that one.
func TestPurgeIsTheEldests(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		d, cfg, later := old(t, dsn, 2*audit.TileWidth+10)
		token(t, d, 1)
		if d.Shared() {
			cfg.Replica.Name = "elder"
			d = open(t, cfg)
			cfg.Replica.Name = "younger"
			younger := open(t, cfg)
			younger.cfg.Now = func() time.Time { return later }
			require.NoError(t, younger.purgeNow(t.Context()))
			require.Equal(t, 1, remaining(t, d, "tokens"), "a process that is not the eldest removes")
			require.Empty(t, purges(t, d))
		}
		d.cfg.Now = func() time.Time { return later }
		require.Eventually(t, d.Eldest, 30*time.Second, 5*time.Millisecond)
		require.NoError(t, d.purgeNow(t.Context()))
		require.Zero(t, remaining(t, d, "tokens"), "nothing is removed")
		require.Len(t, purges(t, d), 1)
		segments, err := d.Segments(t.Context())
		require.NoError(t, err)
		require.Len(t, segments, 1, "the log is not archived")
	})
}
