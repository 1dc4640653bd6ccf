package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is written of an account is what is read, by its id and by its key; its
// holder comes with it.
func TestAccount(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		identity(t, d, "device/a")
		id := token(t, d, 1)
		bound, unbound := newAccount("device/a"), newAccount("")
		bound.Token, bound.Created = &id, now
		unbound.Contacts, unbound.Terms, unbound.Created = nil, false, now
		must(t, d, func(tx *Tx) {
			tx.InsertAccount(bound)
			tx.InsertAccount(unbound)
		})
		for _, want := range []Account{bound, unbound} {
			got, err := d.Account(t.Context(), want.ID)
			require.NoError(t, err)
			require.Equal(t, want, got)
			got, err = d.AccountByKey(t.Context(), want.Thumbprint)
			require.NoError(t, err)
			require.Equal(t, want, got)
			held, err := d.HeldAccount(t.Context(), want.ID)
			require.NoError(t, err)
			require.Equal(t, want, held.Account)
			require.False(t, held.TokenRevoked)
			require.Equal(t, want.Identity != "", held.Holder != nil)
		}
		must(t, d, func(tx *Tx) { tx.RevokeToken(id) })
		held, err := d.HeldAccount(t.Context(), bound.ID)
		require.NoError(t, err)
		require.True(t, held.TokenRevoked)
		require.Equal(t, "device/a", held.Holder.Path)

		_, err = d.Account(t.Context(), NewAccountID())
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.AccountByKey(t.Context(), [32]byte{})
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.HeldAccount(t.Context(), NewAccountID())
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// Only a valid account can be changed, and nothing leads back to it.
func TestAccountStatus(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		changes := []func(*Tx, Account){
			func(tx *Tx, a Account) { tx.UpdateAccount(a.ID, []string{"mailto:new@example.test"}, true) },
			func(tx *Tx, a Account) {
				k := newAccount("")
				tx.ChangeAccountKey(a.ID, a.Thumbprint, k.Thumbprint, k.SPKI, k.JWK)
			},
			func(tx *Tx, a Account) { tx.DeactivateAccount(a.ID) },
		}
		ended, revoked := account(t, d, "device/a"), account(t, d, "device/b")
		must(t, d, func(tx *Tx) {
			tx.DeactivateAccount(ended.ID)
			tx.RevokeAccounts("device/a") // too late for the one
			tx.RevokeAccounts("device/b")
			tx.RevokeAccounts("device/c") // there is none
			tx.RevokeAccounts("")
		})
		for i, change := range changes {
			good := account(t, d, "")
			require.NoError(t, update(d, func(tx *Tx) { change(tx, good) }), i)
			for _, a := range []Account{ended, revoked, {ID: NewAccountID()}} {
				require.ErrorIs(t, update(d, func(tx *Tx) { change(tx, a) }), ErrStale, i)
			}
		}
		for want, a := range map[AccountStatus]Account{AccountDeactivated: ended, AccountRevoked: revoked, AccountValid: account(t, d, "")} {
			got, err := d.Account(t.Context(), a.ID)
			require.NoError(t, err)
			require.Equal(t, want, got.Status)
		}
	})
}

// A key is one account's or one identity's, for ever: whoever was first keeps it,
// also from himself in the other role.
func TestAccountKeyTaken(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		certified := issued(t, d, "device/a")
		first, other := account(t, d, "device/a"), account(t, d, "")

		same := newAccount("")
		same.Thumbprint, same.SPKI = first.Thumbprint, first.SPKI
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertAccount(same) }), ErrExists)
		again := newAccount("device/a")
		again.SPKI = certified.SPKI
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertAccount(again) }), ErrKeyTaken)
		_, err := d.Account(t.Context(), again.ID)
		require.ErrorIs(t, err, ErrNotFound) // all of the call is undone
		for _, rekey := range []bool{false, true} {
			c := certificate("device/a")
			c.SPKI, c.Rekey = first.SPKI, rekey
			require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(c) }), ErrKeyTaken)
		}

		change := func(a Account, to Account) error {
			return update(d, func(tx *Tx) { tx.ChangeAccountKey(a.ID, a.Thumbprint, to.Thumbprint, to.SPKI, []byte("new")) })
		}
		require.ErrorIs(t, change(first, other), ErrExists)
		require.ErrorIs(t, change(first, again), ErrKeyTaken)
		second := newAccount("")
		require.NoError(t, change(first, second))
		require.ErrorIs(t, change(first, newAccount("")), ErrStale) // it has another key by now
		got, err := d.AccountByKey(t.Context(), second.Thumbprint)
		require.NoError(t, err)
		require.Equal(t, first.ID, got.ID)
		require.Equal(t, second.SPKI, got.SPKI)
		require.Equal(t, []byte("new"), got.JWK)

		// The key that it left is nobody else's; it can have it back.
		require.ErrorIs(t, change(other, first), ErrKeyTaken)
		late := newAccount("")
		late.Thumbprint, late.SPKI = first.Thumbprint, first.SPKI
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertAccount(late) }), ErrKeyTaken)
		c := certificate("device/a")
		c.SPKI = first.SPKI
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertCertificate(c) }), ErrKeyTaken)
		second.ID = first.ID
		require.NoError(t, change(second, first))
	})
}

// Of replicas that give two accounts one key, or an account and a certificate, one
// succeeds.
func TestReplicasAccountKey(t *testing.T) {
	dbs := replicas(t, 2)
	identity(t, dbs[0], "device/a")
	for i := range 30 {
		a, b, c := newAccount(""), newAccount(""), certificate("device/a")
		b.Thumbprint, b.SPKI, c.SPKI = a.Thumbprint, a.SPKI, a.SPKI
		won := 0
		for _, err := range parallel(3, func(n int) error {
			return update(dbs[(i+n)%2], func(tx *Tx) {
				switch n {
				case 0:
					tx.InsertAccount(a)
				case 1:
					tx.InsertAccount(b)
				case 2:
					tx.InsertCertificate(c)
				}
			})
		}) {
			if err == nil {
				won++
			}
		}
		require.Equal(t, 1, won)
	}
}
