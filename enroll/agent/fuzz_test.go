package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// Whatever a CA sends as its newest checkpoint, what the directory holds it to
// moves on only to one that the pinned key signed and the proof joins to it.
func FuzzCheck(f *testing.F) {
	log := catest.NewLog(f, "hospital.example/log")
	log.Grow(3)
	old := log.Checkpoint(0)
	log.Grow(4)
	next := log.Checkpoint(3)
	proof := strings.Join(next.Proof, " ")
	f.Add(next.Note, next.Key, proof)
	f.Add(next.Note, "", "")
	f.Add(next.Note, next.Key, strings.Join(next.Proof[1:], " "))
	f.Add(old.Note, old.Key, "")
	f.Add("", "", "")
	f.Add(strings.Replace(next.Note, "\n7\n", "\n8\n", 1), next.Key, proof)
	other := catest.NewLog(f, "hospital.example/log")
	other.Grow(9)
	f.Add(other.Checkpoint(0).Note, other.Key, proof)
	f.Fuzz(func(t *testing.T, note, key, hashes string) {
		d := directory{path: t.TempDir()}
		require.NoError(t, d.check(old, 0, "hospital.example"))
		err := d.check(api.Checkpoint{Note: note, Key: key, Since: 3, Proof: strings.Fields(hashes)}, 3, "hospital.example")
		text, readErr := os.ReadFile(filepath.Join(d.path, "log", "checkpoint"))
		require.NoError(t, readErr)
		if string(text) == old.Note {
			return
		}
		require.NoError(t, err)
		require.Equal(t, note, string(text))
		require.Equal(t, parsed(t, strings.Fields(proof)), parsed(t, strings.Fields(hashes)))
		pinned, _ := os.ReadFile(filepath.Join(d.path, "log", "key"))
		require.Equal(t, old.Key+"\n", string(pinned))
	})
}

// parsed is a proof without the spellings that base64 has for one hash.
func parsed(t *testing.T, proof []string) (all []tlog.Hash) {
	for _, text := range proof {
		hash, err := tlog.ParseHash(text)
		require.NoError(t, err)
		all = append(all, hash)
	}
	return all
}
