package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An attempt at a challenge begins once a minute at most, whoever asks on whichever
// side, and only while the authorization is pending and in time.
func TestAttemptAuthorization(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		_, z := order(t, d, account(t, d, ""), AuthorizationPending)
		attempt := func(int) error {
			return d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.AttemptAuthorization(z.ID, "http-01") })
		}
		begun := 0
		for _, err := range parallel(100, attempt) {
			if err == nil {
				begun++
				continue
			}
			require.ErrorIs(t, err, ErrStale)
		}
		require.Equal(t, 1, begun)
		got, err := d.Authorization(t.Context(), z.ID)
		require.NoError(t, err)
		require.Equal(t, "http-01", got.Challenge)
		require.Equal(t, &now, got.Attempted)

		now = now.Add(59 * time.Second)
		require.ErrorIs(t, attempt(0), ErrStale)
		now = now.Add(time.Second)
		require.NoError(t, attempt(0))
		now = now.Add(time.Hour)
		require.ErrorIs(t, attempt(0), ErrStale) // it has expired
		z.ID = NewAuthorizationID()
		require.ErrorIs(t, attempt(0), ErrStale)
		_, valid := order(t, d, account(t, d, ""), AuthorizationValid)
		z.ID = valid.ID
		require.ErrorIs(t, attempt(0), ErrStale)
	})
}

// A pending authorization is completed once, and what came of it is what is read;
// a valid one can still be deactivated, and nothing else.
func TestCompleteAuthorization(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		a := account(t, d, "")
		complete := func(z Authorization, status AuthorizationStatus) error {
			return d.Relaxed(t.Context(), func(tx *RelaxedTx) {
				tx.CompleteAuthorization(z.ID, status, []byte("problem"), []byte("key"), now.Add(24*time.Hour))
			})
		}
		deactivate := func(z Authorization) error {
			return d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.DeactivateAuthorization(z.ID) })
		}
		_, good := order(t, d, a, AuthorizationPending)
		_, bad := order(t, d, a, AuthorizationPending)
		_, ended := order(t, d, a, AuthorizationPending)
		require.NoError(t, complete(good, AuthorizationValid))
		require.NoError(t, complete(bad, AuthorizationInvalid))
		require.NoError(t, deactivate(ended))
		for _, z := range []Authorization{good, bad, ended, {ID: NewAuthorizationID()}} {
			require.ErrorIs(t, complete(z, AuthorizationValid), ErrStale)
		}

		want := good
		want.Status, want.Created, want.Expires, want.Validated = AuthorizationValid, now, now.Add(24*time.Hour), &now
		want.Error, want.SPKI = []byte("problem"), []byte("key")
		got, err := d.Authorization(t.Context(), good.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)
		got, err = d.Authorization(t.Context(), bad.ID)
		require.NoError(t, err)
		require.Equal(t, AuthorizationInvalid, got.Status)
		require.Nil(t, got.Validated)

		require.NoError(t, deactivate(good))
		for _, z := range []Authorization{good, bad, ended, {ID: NewAuthorizationID()}} {
			require.ErrorIs(t, deactivate(z), ErrStale)
		}
		_, err = d.Authorization(t.Context(), NewAuthorizationID())
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// What an account may use again is its own, valid, in time, and for exactly the
// identifier; of several, the one that lasts.
func TestValidAuthorizations(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now()
		d.cfg.Now = func() time.Time { return now }
		a, other := account(t, d, ""), account(t, d, "")
		order(t, d, a, AuthorizationPending)
		order(t, d, other, AuthorizationValid)
		valid := func(ids ...OrderIdentifier) []Authorization {
			found, err := d.ValidAuthorizations(t.Context(), a.ID, ids)
			require.NoError(t, err)
			holds, err := d.HoldsAuthorizations(t.Context(), a.ID, ids)
			require.NoError(t, err)
			require.Equal(t, len(ids) > 0 && len(found) == len(ids), holds)
			return found
		}
		require.Empty(t, valid(example))

		order(t, d, a, AuthorizationValid)
		o, last := newOrder(a, AuthorizationValid)
		last.Expires = now.Add(2 * time.Hour)
		require.NoError(t, insert(d, o, last))
		order(t, d, a, AuthorizationValid)
		found := valid(example)
		require.Len(t, found, 1)
		require.Equal(t, last.ID, found[0].ID)

		wildcard, name, ip := example, example, example
		wildcard.Wildcard, name.Value, ip.Type = true, "sn-2.example.test", "ip"
		require.Empty(t, valid(wildcard, name, ip))
		require.Len(t, valid(wildcard, example, name), 1)
		require.Empty(t, valid())
		now = now.Add(2 * time.Hour)
		require.Empty(t, valid(example))
	})
}
