package store

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// Of those who replace the same deposit one succeeds, and an older one never comes
// back.
func TestDeposit(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		_, err := d.Deposit(t.Context())
		require.ErrorIs(t, err, ErrNotFound)
		version, err := d.DepositVersion(t.Context())
		require.NoError(t, err)
		require.Zero(t, version)
		for replaces := range int64(3) {
			succeeded := 0
			for _, err := range parallel(10, func(i int) error {
				return update(d, func(tx *Tx) { tx.PutDeposit(Deposit{Version: replaces + 1, Content: []byte{byte(i)}}, replaces) })
			}) {
				if err == nil {
					succeeded++
					continue
				}
				require.ErrorIs(t, err, ErrStale)
			}
			require.Equal(t, 1, succeeded)
		}
		p, err := d.Deposit(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, p.Version)
		require.Len(t, p.Content, 1)
		require.NotZero(t, p.Made)
		version, err = d.DepositVersion(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 3, version)
	})
}

// A deposit that somebody made long is not read.
func TestDepositTooLong(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for i, n := range []int{MaxDeposit, MaxDeposit + 1} {
			must(t, d, func(tx *Tx) {
				tx.PutDeposit(Deposit{Version: int64(i + 1), Content: bytes.Repeat([]byte("x"), n)}, int64(i))
			})
			p, err := d.Deposit(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, i+1, p.Version)
			require.Equal(t, i == 0, p.Content != nil)
		}
	})
}

// Who visits a store reads what is for everybody, and the log only with its own keys
// and under its own name; a database without a store is told from one.
func TestVisit(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		_, err := OpenVisit(t.Context(), dsn)
		require.Error(t, err)
		cfg := config(t, dsn)
		d := open(t, cfg)
		must(t, d, func(tx *Tx) { tx.PutDeposit(Deposit{Version: 1, Content: []byte("c")}, 0) })
		require.NoError(t, update(d, func(*Tx) {}))
		_, err = d.SignCheckpoint(t.Context())
		require.NoError(t, err)

		v, err := OpenVisit(t.Context(), dsn)
		require.NoError(t, err)
		defer v.Close()
		p, err := v.Deposit(t.Context())
		require.NoError(t, err)
		require.Equal(t, "c", string(p.Content))
		require.Error(t, v.Unlock(t.Context(), audit.NewKeys([32]byte{2}), cfg.Origin), "other keys")
		require.ErrorIs(t, v.Unlock(t.Context(), cfg.Keys, "other.test/log"), ErrSetBack)
		require.NoError(t, v.Unlock(t.Context(), cfg.Keys, cfg.Origin))
		e, err := v.Newest(t.Context(), "test.write")
		require.NoError(t, err)
		require.EqualValues(t, 2, e.Seq)
		_, err = v.Newest(t.Context(), "no.such")
		require.ErrorIs(t, err, ErrNotFound)
	})
}
