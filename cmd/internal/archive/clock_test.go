package archive_test

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// A machine whose clock was set back within a batch hides no entry of before from who
// asks for entries since a time.
func TestListClockSetBack(t *testing.T) {
	db := enrolltest.New(t).Store
	now := time.Now()
	var ahead atomic.Int64
	cfg := journal.Config{
		Dir: filepath.Join(t.TempDir(), "journal"), Identity: "test.example/device/pump", Certificate: certificate(t),
		Now: func() time.Time { return now.Add(time.Duration(ahead.Load())) },
	}
	j, err := journal.Open(cfg)
	require.NoError(t, err)
	ahead.Store(int64(time.Hour))
	require.NoError(t, j.Append(t.Context(), audit.Event{Action: "access.request", Actor: "device/pump"}))
	ahead.Store(0)
	require.NoError(t, j.Close())
	j, err = journal.Open(cfg)
	require.NoError(t, err)
	defer j.Close()
	ends := journal.Ends{}
	for ends.Next <= j.Stats().Signed {
		b, err := j.Batch(t.Context(), ends)
		require.NoError(t, err)
		ends, err = archive.Receive(t.Context(), db, archive.Bounds{}, archive.Sender{Identity: "device/pump", Address: "192.0.2.1"}, b)
		require.NoError(t, err)
	}
	all, _, err := archive.List(t.Context(), db, archive.Filter{Since: now.Add(30 * time.Minute)}, archive.Place{}, 100)
	require.NoError(t, err)
	require.Len(t, all, 1)
}
