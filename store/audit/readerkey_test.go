package audit

import (
	"crypto/fips140"
	"crypto/hpke"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever mode a machine is in, and whatever mode the CA is in, the one reads what the other
// has sealed for it; in FIPS 140-3 mode a machine seals by what that takes.
func TestReaderKeyModes(t *testing.T) {
	reader, other := NewKeys(NewMaster()), NewKeys(NewMaster())
	public, err := hpke.MLKEM768X25519().NewPublicKey(reader.ReaderKey())
	require.NoError(t, err)
	d := NewDataKey()
	now, err := d.SealFor(reader.ReaderKey())
	require.NoError(t, err)
	require.Equal(t, fips140.Enabled(), len(now) == exportedLen)
	var whole []byte
	fips140.WithoutEnforcement(func() { whole, err = d.sealWhole(public) })
	require.NoError(t, err)
	require.Len(t, whole, exportedLen-nonceLen)
	exported, err := d.sealExported(public)
	require.NoError(t, err)
	require.Len(t, exported, exportedLen)
	for name, sealed := range map[string][]byte{"whole": whole, "exported": exported} {
		got, err := reader.OpenFor(d.ID, sealed)
		require.NoError(t, err, name)
		require.Equal(t, d, got)
		_, err = other.OpenFor(d.ID, sealed)
		require.ErrorIs(t, err, ErrForeignKey, name)
		_, err = reader.OpenFor(KeyID{1}, sealed)
		require.ErrorIs(t, err, ErrForeignKey, name)
		for _, i := range []int{0, 1088, encapsulatedLen, len(sealed) - 1} {
			sealed[i] ^= 1
			_, err = reader.OpenFor(d.ID, sealed)
			require.ErrorIs(t, err, ErrForeignKey, "%s, byte %d", name, i)
			sealed[i] ^= 1
		}
		for _, n := range []int{0, 1, encapsulatedLen, len(sealed) - 1} {
			_, err = reader.OpenFor(d.ID, sealed[:n])
			require.ErrorIs(t, err, ErrForeignKey, "%s, %d bytes", name, n)
		}
	}
}
