package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A list with a number that was never reserved proves that the store is an older copy:
// from then on nothing is issued or signed by any process on it, revoking goes on, and
// it opens only to be recovered. A list that the store knows of proves nothing.
func TestProve(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/SN-1")
		c := issued(t, d, "device/SN-1")
		number, err := d.ReserveCRLNumbers(t.Context(), 10)
		require.NoError(t, err)
		var other *DB
		if d.engine.shared() {
			other = open(t, d.cfg)
			stop := maintained(t, other)
			defer stop()
		}
		for n := range int64(10) {
			behind, err := d.Prove(t.Context(), number+n, "a list")
			require.NoError(t, err)
			require.False(t, behind)
		}
		require.NoError(t, d.Stopped())
		for range 2 {
			behind, err := d.Prove(t.Context(), number+10, "list 11 of one")
			require.NoError(t, err)
			require.True(t, behind)
		}
		require.ErrorIs(t, d.Stopped(), ErrSetBack)
		require.ErrorIs(t, d.Health(), ErrSetBack)
		require.ErrorIs(t, update(d, func(*Tx) {}), ErrSetBack)
		_, err = d.SignCheckpoint(t.Context())
		require.ErrorIs(t, err, ErrSetBack)
		done, err := d.Replay(t.Context(), "uid:0", []Replay{{Serial: c.Serial, Issuer: issuer, Reason: 1, At: c.NotBefore}})
		require.NoError(t, err)
		require.False(t, done[0].Known)
		if other != nil {
			require.Eventually(t, func() bool { return other.Stopped() != nil }, patience, beat/20)
		}
		again, err := Open(t.Context(), d.cfg)
		require.ErrorIs(t, err, ErrSetBack)
		require.Nil(t, again)
	})
}
