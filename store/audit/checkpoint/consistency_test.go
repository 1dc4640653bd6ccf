package checkpoint_test

import (
	"testing"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"
)

// history returns the checkpoint of the given size of a log whose entries are
// ours up to common and its own from there, and a prover for it.
func history(t testing.TB, size, common int64, own byte) (checkpoint.Checkpoint, func(old int64) []tlog.Hash) {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for n := range size {
		data := []byte{byte(n), 0}
		if n >= common {
			data[1] = own
		}
		more, err := tlog.StoredHashes(n, data, reader)
		require.NoError(t, err)
		stored = append(stored, more...)
	}
	hash, err := tlog.TreeHash(size, reader)
	require.NoError(t, err)
	return checkpoint.Checkpoint{Origin: origin, Size: size, Hash: hash}, func(old int64) []tlog.Hash {
		proof, err := tlog.ProveTree(size, old, reader)
		require.NoError(t, err)
		return proof
	}
}

// A log that only grew convinces its monitor, from any size to any size.
func TestConsistent(t *testing.T) {
	for size := range int64(20) {
		for old := range size + 1 {
			before, _ := history(t, old, old, 0)
			after, prove := history(t, size, size, 0)
			var proof []tlog.Hash
			if old > 0 {
				proof = prove(old)
			}
			require.NoError(t, checkpoint.CheckConsistency(before, after, proof), "%d to %d", old, size)
		}
	}
}

// A log that shows its monitor another past is caught with both heads in hand,
// whatever it hands over as proof.
func TestFork(t *testing.T) {
	old, _ := history(t, 10, 7, 1)
	other, _ := history(t, 10, 7, 2)
	longer, prove := history(t, 17, 7, 2)
	empty, _ := history(t, 0, 0, 0)
	notEmpty := empty
	notEmpty.Hash[0] ^= 1
	for name, tt := range map[string]struct {
		old, new checkpoint.Checkpoint
		proof    []tlog.Hash
	}{
		"same size":            {old, other, nil},
		"longer":               {old, longer, prove(10)},
		"longer, no proof":     {old, longer, nil},
		"longer, other proof":  {old, longer, prove(9)},
		"empty that was not":   {notEmpty, longer, nil},
		"empty in two ways":    {empty, notEmpty, nil},
		"longer, proof padded": {other, longer, append(prove(10), tlog.Hash{})},
	} {
		err := checkpoint.CheckConsistency(tt.old, tt.new, tt.proof)
		var fork *checkpoint.ForkError
		require.ErrorAs(t, err, &fork, name)
		require.Equal(t, &checkpoint.ForkError{Old: tt.old, New: tt.new}, fork, name)
	}
	require.NoError(t, checkpoint.CheckConsistency(other, longer, prove(10)))
}

// A log that goes back is told from a fork, and another log from both.
func TestOlder(t *testing.T) {
	old, _ := history(t, 10, 10, 0)
	older, _ := history(t, 9, 9, 0)
	require.ErrorIs(t, checkpoint.CheckConsistency(old, older, nil), checkpoint.ErrOlder)
	other := old
	other.Origin = "other/log"
	err := checkpoint.CheckConsistency(old, other, nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, checkpoint.ErrOlder)
	var fork *checkpoint.ForkError
	require.NotErrorAs(t, err, &fork)
}
