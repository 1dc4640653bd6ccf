package enroll_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// denied demands that f is refused by policy, or by the state of the identity.
func denied(t *testing.T, f func() error) *ca.DeniedError {
	t.Helper()
	err := f()
	denied, ok := errors.AsType[*ca.DeniedError](err)
	require.True(t, ok, "%v", err)
	return denied
}

// An account that is bound by a token makes the token's identity active, and is on
// record with it, with who answers for it, and in the log.
func TestCreateAccount(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Owner: "icu", EAB: true})
		key := accountKey(t, enrolltest.NewKey(t))
		acc, err := c.CreateAccount(t.Context(), enroll.NewAccount{
			Key: key, Contacts: []string{"mailto:icu@hospital.example"}, Terms: true, External: external(t, c, token), From: home,
		})
		require.NoError(t, err)
		row, err := c.Store.AccountByKey(t.Context(), key.Thumbprint)
		require.NoError(t, err)
		acc.Created = acc.Created.Truncate(time.Millisecond).UTC()
		require.Equal(t, acc, row)
		require.Equal(t, "device/pump-1", row.Identity)
		require.Equal(t, tokenID(t, token), *row.Token)
		require.Equal(t, store.Active, c.Identity("device/pump-1").State)

		entries := c.Audit("acme.account")
		require.Len(t, entries, 1)
		require.Equal(t, "device/pump-1", entries[0].Subject)
		require.Equal(t, home.String(), entries[0].Address)
		require.Equal(t, acc.ID.String(), entries[0].Detail["account"])
		require.Equal(t, "token:"+tokenID(t, token).String(), entries[0].Detail["proof"])
	})
}

// Of any number of accounts that race for one token, one is made, and the others
// are what a stolen token is; with one key for all of them, the others learn that
// it has its account.
func TestOneTokenOneAccount(t *testing.T) {
	const racers = 50
	create := func(c *enrolltest.CA, n enroll.NewAccount) (made int, errs []error) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range racers {
			all.Go(func() {
				n := n
				if n.Key.Thumbprint == ([32]byte{}) {
					n.Key = enroll.AccountKey{Thumbprint: [32]byte{1, byte(i)}, SPKI: [32]byte{2, byte(i)}, JWK: []byte("{}")}
				}
				_, err := c.CreateAccount(context.Background(), n)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					made++
				} else {
					errs = append(errs, err)
				}
			})
		}
		all.Wait()
		return made, errs
	}
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		made, errs := create(c, enroll.NewAccount{External: external(t, c, eab(c, "device", "pump-1")), From: home})
		require.Equal(t, 1, made)
		require.Len(t, c.Audit("acme.account"), 1)
		for _, err := range errs {
			if _, limited := errors.AsType[*enroll.RateLimitError](err); !limited {
				require.ErrorIs(t, err, enroll.ErrReused)
			}
		}
		require.True(t, c.Identity("device/pump-1").Suspect)

		made, errs = create(c, enroll.NewAccount{Key: accountKey(t, enrolltest.NewKey(t)), External: external(t, c, eab(c, "device", "pump-2")), From: home})
		require.Equal(t, 1, made)
		for _, err := range errs {
			require.ErrorIs(t, err, store.ErrExists)
		}
		require.False(t, c.Identity("device/pump-2").Suspect)
	})
}

// Whichever protocol spends a token first, wins: the other is told that it was
// used, and the identity is suspect.
func TestTokenIsSpentOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		token := eab(c, "device", "pump-1")
		e := external(t, c, token)
		_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.NoError(t, err)
		for _, e := range []*enroll.ExternalAccount{e, external(t, c, token)} { // one looked up before, one after
			_, err = c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, enrolltest.NewKey(t)), External: e, From: home})
			if _, stale := errors.AsType[*ca.DeniedError](err); !stale {
				require.ErrorIs(t, err, enroll.ErrReused)
			}
		}
		require.ErrorIs(t, err, enroll.ErrReused)
		require.Empty(t, c.Audit("acme.account"))
		require.True(t, c.Identity("device/pump-1").Suspect)

		token = eab(c, "device", "pump-2")
		bind(t, c, token)
		_, err = c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.ErrorIs(t, err, enroll.ErrReused)
		require.Zero(t, c.Certificates("device/pump-2"))
	})
}

// A token that can no longer be spent binds nothing, whatever there was when its key
// was looked up.
func TestCreateAccountRefuses(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(t *testing.T, c *enrolltest.CA, token string)
		is   error // nil: a DeniedError
	}{
		{"revoked", func(t *testing.T, c *enrolltest.CA, token string) {
			require.NoError(t, c.RevokeToken(t.Context(), enrolltest.Root, tokenID(t, token)))
		}, enroll.ErrUnauthenticated},
		{"expired", func(_ *testing.T, c *enrolltest.CA, _ string) { c.Advance(2 * time.Hour) }, enroll.ErrUnauthenticated},
		{"identity revoked", func(t *testing.T, c *enrolltest.CA, _ string) { revokeIdentity(t, c, "device/pump-1") }, enroll.ErrUnauthenticated},
		{"method gone", func(t *testing.T, c *enrolltest.CA, _ string) {
			setPolicy(t, c, "[role.device]\nmethods = ['token']\n")
		}, nil},
		{"network gone", func(t *testing.T, c *enrolltest.CA, _ string) {
			setPolicy(t, c, "[role.device]\nnetworks = ['10.0.0.0/8']\n")
		}, nil},
	} {
		t.Run(change.name, func(t *testing.T) {
			c := enrolltest.New(t)
			token := eab(c, "device", "pump-1")
			e := external(t, c, token)
			change.do(t, c, token)
			create := func() error {
				_, err := c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, enrolltest.NewKey(t)), External: e, From: home})
				return err
			}
			if change.is != nil {
				require.ErrorIs(t, create(), change.is)
			} else {
				denied(t, create)
				require.Len(t, c.Audit("certificate.refuse"), 1)
			}
			require.Empty(t, c.Audit("acme.account"))
		})
	}
}

// A key is an account's or a certificate's, and once one or the other, for ever.
func TestAccountKeysAreNotCertified(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		certified := enrolltest.NewKey(t)
		_, err := c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), home, enrolltest.CSR(t, certified))
		require.NoError(t, err)
		_, err = c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, certified), From: home})
		require.ErrorIs(t, err, store.ErrKeyTaken)
		a := bind(t, c, eab(c, "device", "pump-2"))
		require.ErrorIs(t, c.ChangeAccountKey(t.Context(), a.acc, accountKey(t, certified), home), store.ErrKeyTaken)
		_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-3"}), home, enrolltest.CSR(t, a.key))
		require.ErrorIs(t, err, store.ErrKeyTaken)

		_, err = c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, a.key), From: home})
		require.ErrorIs(t, err, store.ErrExists)
	})
}

// A token that replaces gives the identity a new account: the certificates that it
// had are superseded, the accounts that it had end, and so do their orders.
func TestReplaceByAccount(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		first := bind(t, c, eab(c, "device", "pump-1"))
		cert := first.issue(dns("pump-1.devices.example"))
		open := first.order(dns("pump-1.devices.example"))
		_, err := c.CreateToken(t.Context(), enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "pump-1", EAB: true})
		_, conflict := errors.AsType[*enroll.ConflictError](err)
		require.True(t, conflict, "%v", err)

		second := bind(t, c, c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", EAB: true, Replace: true}))
		row, err := c.Store.Revocation(t.Context(), store.SerialOf(cert))
		require.NoError(t, err)
		require.Equal(t, 4, row.Reason, "superseded")
		old, err := c.Store.Account(t.Context(), first.acc.ID)
		require.NoError(t, err)
		require.Equal(t, store.AccountRevoked, old.Status)
		denied(t, func() error {
			_, err := first.finalize(open, csrFor(t, enrolltest.NewKey(t), "", dns("pump-1.devices.example")))
			return err
		})
		second.issue(dns("pump-1.devices.example"))

		// So does a machine's own enrolment.
		_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true}), home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.NoError(t, err)
		old, err = c.Store.Account(t.Context(), second.acc.ID)
		require.NoError(t, err)
		require.Equal(t, store.AccountRevoked, old.Status)
	})
}

// An identity that goes takes its accounts with it.
func TestRetireEndsAccounts(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		a := bind(t, c, eab(c, "device", "pump-1"))
		_, err := c.Retire(t.Context(), enrolltest.Root, "device/pump-1")
		require.NoError(t, err)
		acc, err := c.Store.Account(t.Context(), a.acc.ID)
		require.NoError(t, err)
		require.Equal(t, store.AccountRevoked, acc.Status)
	})
}

// What an account does with itself is in the log, without the addresses of people;
// what has ended does nothing more.
func TestAccountChanges(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		a := unbound(t, c)
		require.NoError(t, c.UpdateAccount(t.Context(), a.acc, []string{"mailto:mary@hospital.example"}, true, home))
		next := accountKey(t, enrolltest.NewKey(t))
		require.NoError(t, c.ChangeAccountKey(t.Context(), a.acc, next, home))
		require.ErrorIs(t, c.ChangeAccountKey(t.Context(), a.acc, accountKey(t, enrolltest.NewKey(t)), home), store.ErrStale, "its key is another now")
		other := unbound(t, c)
		acc, err := c.Store.AccountByKey(t.Context(), next.Thumbprint)
		require.NoError(t, err)
		require.Equal(t, []string{"mailto:mary@hospital.example"}, acc.Contacts)
		require.ErrorIs(t, c.ChangeAccountKey(t.Context(), acc, accountKey(t, other.key), home), store.ErrExists)
		require.NoError(t, c.DeactivateAccount(t.Context(), acc, home))
		require.ErrorIs(t, c.UpdateAccount(t.Context(), acc, nil, true, home), store.ErrStale)
		require.ErrorIs(t, c.DeactivateAccount(t.Context(), acc, home), store.ErrStale)
		require.ErrorIs(t, c.ChangeAccountKey(t.Context(), acc, accountKey(t, enrolltest.NewKey(t)), home), store.ErrStale)

		c.Stop()
		require.Len(t, c.Audit("acme.refuse"), 5, "each of them")
		for action, n := range map[string]int{"acme.account": 2, "acme.account.update": 1, "acme.account.key": 1, "acme.account.deactivate": 1} {
			entries := c.Audit(action)
			require.Len(t, entries, n, action)
			require.Equal(t, "account:"+acc.ID.String(), entries[0].Actor)
			require.NotContains(t, text(entries), "mary")
		}
	})
}
