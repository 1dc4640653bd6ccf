package checkpoint_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit/checkpoint"
)

// A recovery is a checkpoint to whoever knows no better, and tells the others what was
// lost; only the log's key makes one.
func TestRecovery(t *testing.T) {
	r := checkpoint.Recovery{
		Checkpoint: checkpoint.Checkpoint{Origin: origin, Size: 12, Hash: tlog.RecordHash([]byte("x"))},
		Lost:       40, At: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
	}
	text, err := checkpoint.SignRecovery(r, signer(t, origin, 1))
	require.NoError(t, err)
	got, is, err := checkpoint.OpenRecovery(text, verifier(t, origin, 1))
	require.NoError(t, err)
	require.True(t, is)
	require.Equal(t, r, got)
	c, err := checkpoint.Open(text, verifier(t, origin, 1))
	require.NoError(t, err)
	require.Equal(t, r.Checkpoint, c)

	_, _, err = checkpoint.OpenRecovery(text, verifier(t, origin, 2))
	require.Error(t, err)
	plain, err := checkpoint.Sign(r.Checkpoint, signer(t, origin, 1))
	require.NoError(t, err)
	_, is, err = checkpoint.OpenRecovery(plain, verifier(t, origin, 1))
	require.NoError(t, err)
	require.False(t, is)

	r.Lost = -1
	_, err = checkpoint.SignRecovery(r, signer(t, origin, 1))
	require.Error(t, err)
	for _, line := range []string{"recovery", "recovery ", "recovery x 2026-11-22T08:00:00Z", "recovery -1 2026-11-22T08:00:00Z", "recovery 40", "recovery 40 yesterday"} {
		text, err := note.Sign(&note.Note{Text: origin + "\n12\n" + r.Hash.String() + "\n" + line + "\n"}, signer(t, origin, 1))
		require.NoError(t, err)
		_, is, err := checkpoint.OpenRecovery(string(text), verifier(t, origin, 1))
		if line == "recovery" {
			require.NoError(t, err)
			require.False(t, is)
			continue
		}
		require.ErrorIs(t, err, checkpoint.ErrMalformed, line)
	}
}
