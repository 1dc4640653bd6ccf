package archive_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// witnessed verifies the log of a store and then its archive, as s shows it; what the log
// says counts against what s says.
func witnessed(t *testing.T, db *store.DB, s archive.Source) (found error) {
	t.Helper()
	w, err := archive.NewWitness(t.Context(), s)
	require.NoError(t, err)
	log, err := db.AuditSource(t.Context())
	require.NoError(t, err)
	keyring, err := db.Keyring(t.Context())
	require.NoError(t, err)
	key, err := db.VerifierKey()
	require.NoError(t, err)
	verifier, err := checkpoint.NewVerifier(key)
	require.NoError(t, err)
	_, err = audit.Verify(t.Context(), w.Along(log, keyring), audit.VerifyOptions{Verifier: verifier, Keyring: keyring})
	require.NoError(t, err)
	require.NoError(t, archive.Verify(t.Context(), s, w, func(c archive.Check) error {
		found = errors.Join(found, c.Err)
		return nil
	}))
	return found
}

// What the tables of an archive say is believed only where the log says it, too: entries
// leave with an entry of the log alone; nobody puts another journal, or another key, in the
// place of one; and what the log has begun, or found to be forked, stays so.
func TestWitness(t *testing.T) {
	db := received(t, 1000, "device/b", "gateway/icu")
	require.NoError(t, witnessed(t, db, db))
	whole, err := db.Journals(t.Context(), "", "", 2)
	require.NoError(t, err)
	batch, err := db.NextJournalBatch(t.Context(), whole[0].Origin, 0, time.Time{})
	require.NoError(t, err)
	front := frontierOf(t, batch)
	of := func(i int, change func(*store.Journal)) edited {
		return edited{Source: db, journal: func(j *store.Journal) {
			if j.Origin == whole[i].Origin {
				change(j)
			}
		}}
	}
	for name, tt := range map[string]struct {
		archive archive.Source
		kind    audit.Kind
	}{
		"left early": {of(0, func(j *store.Journal) { j.Removed, j.RemovedFrontier = front.Size(), front.Bytes() }), audit.Deleted},
		"other key":  {of(0, func(j *store.Journal) { j.Key, j.Checkpoint = whole[1].Key, "" }), audit.Forged},
		"other's":    {of(0, func(j *store.Journal) { j.Identity = "device/c" }), audit.Forged},
		"gone":       {without{db, whole[1].Origin}, audit.Deleted},
		"not begun":  {renamed{db, whole[0].Origin}, audit.Forged},
	} {
		var broken *audit.TamperError
		require.ErrorAs(t, witnessed(t, db, tt.archive), &broken, name)
		require.Equal(t, tt.kind, broken.Kind, name)
	}

	require.NoError(t, db.Update(t.Context(), func(tx *store.Tx) audit.Event {
		tx.ForkJournal(whole[1].Origin)
		return audit.Event{Action: "journal.fork", Actor: "gateway/icu", Outcome: "x", Detail: map[string]any{"origin": whole[1].Origin}}
	}))
	require.NoError(t, witnessed(t, db, db))
	require.ErrorContains(t, witnessed(t, db, of(1, func(j *store.Journal) { j.Forked = nil })), "another history")

	require.NoError(t, db.RetireJournals(t.Context(), time.Now().Add(store.SixYears+40*24*time.Hour)))
	after, err := db.Journals(t.Context(), "", "", 1)
	require.NoError(t, err)
	require.Equal(t, whole[0].Size, after[0].Removed)
	require.NoError(t, witnessed(t, db, db), "the log says that they left")
}

// without is an archive from which a journal was deleted.
type without struct {
	archive.Source
	origin string
}

func (w without) Journals(ctx context.Context, identity, after string, limit int) (kept []store.Journal, err error) {
	all, err := w.Source.Journals(ctx, identity, after, limit)
	for _, j := range all {
		if j.Origin != w.origin {
			kept = append(kept, j)
		}
	}
	return kept, err
}

// renamed is an archive where a journal stands under a name, too, that was never begun.
type renamed struct {
	archive.Source
	origin string
}

const invented = "test.example/device/b/journal/ff"

func (r renamed) Journals(ctx context.Context, identity, after string, limit int) ([]store.Journal, error) {
	all, err := r.Source.Journals(ctx, identity, after, limit)
	for _, j := range all {
		if j.Origin == r.origin {
			j.Origin, j.Checkpoint = invented, ""
			all = append(all, j)
		}
	}
	return all, err
}

func (r renamed) NextJournalBatch(ctx context.Context, origin string, after int64, since time.Time) (store.JournalBatch, error) {
	if origin == invented {
		origin = r.origin
	}
	return r.Source.NextJournalBatch(ctx, origin, after, since)
}
