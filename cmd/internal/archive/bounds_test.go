package archive_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// A machine brings journals of its own, within bounds.
type bringer struct {
	t      *testing.T
	db     *store.DB
	bounds archive.Bounds
	name   string
}

// open begins a journal of a few entries, which are signed for.
func (m *bringer) open() *journal.Journal {
	cfg := journal.Config{Dir: filepath.Join(m.t.TempDir(), "journal"), Identity: "test.example/" + m.name, Certificate: certificate(m.t)}
	j, err := journal.Open(cfg)
	require.NoError(m.t, err)
	require.NoError(m.t, j.Append(m.t.Context(), audit.Event{Action: "access.request", Actor: m.name}))
	require.NoError(m.t, j.Close())
	j, err = journal.Open(cfg)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { j.Close() })
	return j
}

// bring brings a batch, and returns why it was not taken; nil: it was.
func (m *bringer) bring(j *journal.Journal, ends *journal.Ends) *archive.FullError {
	b, err := j.Batch(m.t.Context(), *ends)
	require.NoError(m.t, err)
	next, err := archive.Receive(m.t.Context(), m.db, m.bounds, archive.Sender{Identity: m.name, Address: "192.0.2.1"}, b)
	if err == nil {
		*ends = next
		return nil
	}
	var full *archive.FullError
	require.ErrorAs(m.t, err, &full)
	require.Positive(m.t, full.RetryAfter)
	require.LessOrEqual(m.t, full.RetryAfter, 24*time.Hour)
	return full
}

// whole brings all of a journal.
func (m *bringer) whole(j *journal.Journal) *archive.FullError {
	for ends := (journal.Ends{}); ends.Next <= j.Stats().Signed; {
		if full := m.bring(j, &ends); full != nil {
			return full
		}
	}
	return nil
}

// A machine begins so many journals in a day, and no more; that it tried is one entry of
// the log, however often. It goes on with those that it has, and others are not the less
// welcome for it.
func TestJournalsBounded(t *testing.T) {
	ca := enrolltest.New(t)
	m := &bringer{t, ca.Store, archive.Bounds{Journals: 3}, "device/a"}
	first := m.open()
	require.Nil(t, m.whole(first))
	for range 2 {
		require.Nil(t, m.whole(m.open()))
	}
	for range 5 {
		full := m.whole(m.open())
		require.NotNil(t, full)
		require.False(t, full.Whole)
	}
	require.Len(t, ca.Audit("journal.begin"), 3)
	require.Len(t, ca.Audit("journal.refuse"), 1)
	require.Nil(t, m.whole(first))
	other := &bringer{t, ca.Store, m.bounds, "device/b"}
	require.Nil(t, other.whole(other.open()))
}

// A machine brings so many bytes in a day, and all machines so many ever; then nothing is
// taken, the answer tells one from the other, and the log says it once of each machine.
func TestBytesBounded(t *testing.T) {
	for name, bounds := range map[string]archive.Bounds{"daily": {Daily: 4 << 10}, "total": {Total: 4 << 10}} {
		t.Run(name, func(t *testing.T) {
			ca := enrolltest.New(t)
			m := &bringer{t, ca.Store, bounds, "device/a"}
			var full *archive.FullError
			for n := 0; full == nil; n++ {
				require.Less(t, n, 10)
				full = m.whole(m.open())
			}
			require.Equal(t, name == "total", full.Whole)
			require.NotNil(t, m.whole(m.open()))
			require.Len(t, ca.Audit("journal.refuse"), 1)
			other := &bringer{t, ca.Store, bounds, "device/b"}
			require.Equal(t, name == "total", other.whole(other.open()) != nil)
			held, err := ca.Store.ArchiveContent(t.Context())
			require.NoError(t, err)
			require.Less(t, held.Bytes, int64(16<<10))
		})
	}
}

// What the machine is told to be in the archive is on disk: it may remove its own.
func TestReceiveIsDurable(t *testing.T) {
	ca := enrolltest.New(t)
	m := &bringer{t, ca.Store, archive.Bounds{}, "device/a"}
	j, ends := m.open(), journal.Ends{}
	require.Nil(t, m.bring(j, &ends)) // hears to which key the data keys go
	before := ca.Store.Stats().Commits.Count
	for done := ends.Next; ends.Next <= j.Stats().Signed; {
		require.Nil(t, m.bring(j, &ends))
		require.Greater(t, ends.Next, done)
	}
	require.Greater(t, ca.Store.Stats().Commits.Count, before)
}
