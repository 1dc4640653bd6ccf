package audit_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// A frontier has the root of the whole tree at every size, and is the same after it was
// written down.
func TestFrontier(t *testing.T) {
	var f audit.Frontier
	var tree audit.Tree
	for i := range 600 {
		require.Equal(t, tree.Hash(), f.Hash())
		require.EqualValues(t, i, f.Size())
		again, err := audit.ParseFrontier(f.Size(), f.Bytes())
		require.NoError(t, err)
		require.Equal(t, f.Hash(), again.Hash())
		h := tlog.RecordHash([]byte{byte(i), byte(i >> 8)})
		f = again
		f.Append(h)
		tree.Append(h)
	}
	_, err := audit.ParseFrontier(f.Size()+1, f.Bytes())
	require.Error(t, err)
	_, err = audit.ParseFrontier(-1, nil)
	require.Error(t, err)
}

// A data key that was sealed for a reader opens for that reader, under its own name, and
// then opens entries; for nobody else.
func TestReaderKey(t *testing.T) {
	reader, other := audit.NewKeys(audit.NewMaster()), audit.NewKeys(audit.NewMaster())
	d := audit.NewDataKey()
	sealed, err := d.SealFor(reader.ReaderKey())
	require.NoError(t, err)
	got, err := reader.OpenFor(d.ID, sealed)
	require.NoError(t, err)
	require.Equal(t, d, got)
	_, err = other.OpenFor(d.ID, sealed)
	require.Error(t, err)
	_, err = reader.OpenFor(audit.KeyID{1}, sealed)
	require.Error(t, err)
	_, err = reader.OpenFor(d.ID, sealed[:len(sealed)-1])
	require.Error(t, err)
	_, err = d.SealFor([]byte("no key"))
	require.Error(t, err)
}
