package crl_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// Every entry is on exactly one of n lists, that of its serial number modulo n, and the
// lists are in order.
func TestSplit(t *testing.T) {
	all := collect(t, 3000)
	for _, n := range []int{1, 2, 8, 256, 1024, 1 << 16} {
		parts := all.Split(n)
		require.Len(t, parts, n)
		var together []crl.Entry
		for i, part := range parts {
			entries := slices.Collect(part.All())
			require.True(t, slices.IsSortedFunc(entries, func(a, b crl.Entry) int { return slices.Compare(a.Serial[:], b.Serial[:]) }))
			for _, e := range entries {
				require.Equal(t, int64(i), new(big.Int).Mod(new(big.Int).SetBytes(e.Serial[:]), big.NewInt(int64(n))).Int64())
			}
			together = append(together, entries...)
		}
		require.Equal(t, all, set(t, together...))
	}
	for i, part := range (crl.Set{}).Split(4) {
		require.Zero(t, part.Len(), "%d", i)
	}
}

// OpenHead says of a list what Open says, but for the entries, and refuses what it
// refuses of the rest.
func TestOpenHead(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	for _, p := range kinds() {
		der := encode(t, ca, p, collect(t, 30))
		head, err := crl.OpenHead(der, ca.Certificate)
		require.NoError(t, err)
		require.Equal(t, p.Number, head.Number())
		require.Equal(t, p.Point != "", head.Scope() != nil)
		require.Zero(t, head.Entries().Len())
		der[100] ^= 1
		_, err = crl.OpenHead(der, ca.Certificate)
		require.Error(t, err)
	}
	_, err := crl.OpenHead(forgery{revoked: seq(seq(integer(0x80), thisTime))}.der(t, ca), ca.Certificate)
	require.Error(t, err)
}
