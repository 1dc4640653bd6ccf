package crl_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// A sample of many entries holds whatever is extreme in one of them, wherever it stands,
// in order; one of few is all of them.
func TestSample(t *testing.T) {
	few := collect(t, 50)
	require.Equal(t, few, few.Sample(50))

	all := slices.Collect(collect(t, 5000).All())
	short, err := crl.SerialOf([]byte{7})
	require.NoError(t, err)
	middle, err := crl.SerialOf([]byte{1, 17: 1})
	require.NoError(t, err)
	long, err := crl.SerialOf([]byte{0xff, 19: 1})
	require.NoError(t, err)
	odd := []crl.Entry{
		{Serial: serial(3000), RevokedAt: now, Reason: crl.AffiliationChanged},
		{Serial: serial(3001), RevokedAt: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Serial: serial(3002), RevokedAt: time.Unix(0, 0).UTC()},
		{Serial: short, RevokedAt: now},
		{Serial: middle, RevokedAt: now},
		{Serial: long, RevokedAt: now},
	}
	copy(all[3000:], odd[:3])
	all = append(all, odd[3:]...)
	sample := set(t, all...).Sample(64)
	require.LessOrEqual(t, sample.Len(), 64)
	require.Greater(t, sample.Len(), 40)
	for _, want := range odd {
		got, found := sample.Lookup(want.Serial)
		require.True(t, found, "%s", want.Serial)
		require.Equal(t, want, got)
	}
	require.True(t, slices.IsSortedFunc(slices.Collect(sample.All()), func(a, b crl.Entry) int { return slices.Compare(a.Serial[:], b.Serial[:]) }))
}

// Octets is what the entries add to a list, the headers around them aside.
func TestOctets(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	empty := len(encode(t, ca, template(5, 0), crl.Set{}))
	for _, n := range []int{0, 1, 10, 5000} {
		grown := len(encode(t, ca, template(5, 0), collect(t, n))) - empty
		require.InDelta(t, collect(t, n).Octets(), grown, 16)
	}
}
