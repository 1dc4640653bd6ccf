package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// when the log goes on: a recovery says it in whole seconds.
var when = day.Truncate(time.Second)

// recover has the log own up to have been set back to where it is.
func (m *memory) recover(t testing.TB, lost int64) *memory {
	r := checkpoint.Recovery{Checkpoint: checkpoint.Checkpoint{Origin: origin, Size: m.tree.Size(), Hash: m.tree.Hash()}, Lost: lost, At: day}
	text, err := checkpoint.SignRecovery(r, m.signer)
	require.NoError(t, err)
	m.notes = slices.DeleteFunc(m.notes, func(c audit.SignedCheckpoint) bool { return c.Size == r.Size })
	m.notes = append(m.notes, audit.SignedCheckpoint{Size: r.Size, At: day, Note: text})
	m.evidence = append(m.evidence, audit.EvidenceNote(text)...)
	return m
}

// A log that was set back and owned up to it verifies again, and says which entries
// are lost: by the evidence, and without any by the store's own checkpoints. That holds
// a second time, too. What was signed before and contradicts it is not a finding; what
// was signed after it is.
func TestVerifyRecovered(t *testing.T) {
	common := newMemory(t).grow(t, 400, 100, 300)
	first := common.clone().grow(t, 300, 500, 600)
	m := common.clone()
	m.evidence = slices.Clone(first.evidence)
	begin := len(m.evidence)
	m.recover(t, 0)
	said, replayed := slices.Clone(m.evidence[begin:]), m.clone()
	m.grow(t, 500, 450, 600, 700)
	r, err := verify(t, m, witness)
	require.NoError(t, err)
	require.Equal(t, []audit.Loss{{Kept: 400, To: 600, At: when}}, r.Losses)
	require.Contains(t, r.String(), "lost: entries 401 to 600 of an earlier history; the database was set back to 400 entries, and recovered at ")
	require.EqualValues(t, 700, r.Proved)
	require.Equal(t, 6, r.Evidence) // 100, 300, the recovery, 450, 600, 700

	r, err = verify(t, m, withKeys)
	require.NoError(t, err)
	require.Equal(t, []audit.Loss{{Kept: 400, At: when}}, r.Losses)
	require.Contains(t, r.String(), "lost: what an earlier history held after entry 400")

	again := common.clone() // to before the first recovery
	again.evidence = slices.Clone(m.evidence)
	again.recover(t, 700).grow(t, 100, 450, 500)
	r, err = verify(t, again, witness)
	require.NoError(t, err)
	require.Equal(t, []audit.Loss{{Kept: 400, To: 700, At: when}}, r.Losses[len(r.Losses)-1:])

	// The store of the first recovery again, which somebody writes down once more.
	replayed.evidence = append(slices.Clone(m.evidence), said...)
	_, err = verify(t, replayed, witness)
	require.Error(t, err)

	older := common.clone() // and once more, without a word
	older.evidence = slices.Clone(again.evidence)
	_, err = verify(t, older.grow(t, 20, 420), witness)
	var tamper *audit.TamperError
	require.ErrorAs(t, err, &tamper)
	require.Equal(t, audit.Truncated, tamper.Kind)
}

// The newest checkpoint of an evidence file is the newest since the log was recovered;
// a recovery that somebody writes down again takes nothing back.
func TestNewestRecovered(t *testing.T) {
	common := newMemory(t).grow(t, 400, 100, 300)
	m := common.clone()
	m.evidence = slices.Clone(common.clone().grow(t, 300, 500, 600).evidence)
	begin := len(m.evidence)
	m.recover(t, 600)
	said := slices.Clone(m.evidence[begin:])
	newest := func(evidence []byte) int64 {
		c, ok, err := audit.Newest(bytes.NewReader(evidence), m.verifier(t))
		require.NoError(t, err)
		require.True(t, ok)
		return c.Size
	}
	require.EqualValues(t, 600, newest(m.evidence[:begin]))
	require.EqualValues(t, 400, newest(m.evidence))
	m.grow(t, 100, 450, 500)
	require.EqualValues(t, 500, newest(m.evidence))
	require.EqualValues(t, 500, newest(append(slices.Clone(m.evidence), said...)))

	forged := strings.Replace(string(said), "\n400\n", "\n100\n", 1)
	require.EqualValues(t, 500, newest(append(slices.Clone(m.evidence), forged...)))
}
