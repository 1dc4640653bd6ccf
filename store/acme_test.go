package store

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// account records an account, bound to the identity unless the path is empty.
func account(t testing.TB, d *DB, path string) Account {
	t.Helper()
	a := newAccount(path)
	must(t, d, func(tx *Tx) { tx.InsertAccount(a) })
	return a
}

// newAccount returns an account with a key of its own.
func newAccount(path string) Account {
	a := Account{
		ID: NewAccountID(), Identity: path, JWK: []byte(`{"kty":"EC"}`), Status: AccountValid,
		Contacts: []string{"mailto:ops@example.test"}, Terms: true,
	}
	a.Thumbprint, a.SPKI = certificate(path).SPKI, certificate(path).SPKI
	return a
}

// example is what orders of tests are for.
var example = OrderIdentifier{Identifier: Identifier{Type: "dns", Value: "sn-1.example.test"}}

// newOrder returns an order of the account, in time for an hour, with one
// authorization of this status.
func newOrder(a Account, status AuthorizationStatus) (Order, Authorization) {
	end := time.UnixMilli(time.Now().Add(time.Hour).UnixMilli()).UTC()
	z := Authorization{ID: NewAuthorizationID(), Account: a.ID, Identifier: example.Identifier, Status: status, Token: "token", Expires: end}
	return Order{
		ID: NewOrderID(), Account: a.ID, Identity: a.Identity, Status: OrderOpen, Identifiers: []OrderIdentifier{example},
		Expires: end, Authorizations: []AuthorizationID{z.ID},
	}, z
}

// order records what newOrder returns.
func order(t testing.TB, d *DB, a Account, status AuthorizationStatus) (Order, Authorization) {
	t.Helper()
	o, z := newOrder(a, status)
	require.NoError(t, insert(d, o, z))
	return o, z
}

func insert(d *DB, o Order, fresh ...Authorization) error {
	return d.Relaxed(context.Background(), func(tx *RelaxedTx) { tx.InsertOrder(o, fresh) })
}

// complete records a certificate of device/a for the order.
func complete(d *DB, id OrderID) error {
	c := certificate("device/a")
	return update(d, func(tx *Tx) {
		tx.CompleteOrder(id, c.Serial)
		tx.InsertCertificate(c)
	})
}

// relax makes one Relaxed call of what cannot fail.
func relax(t testing.TB, d *DB, demands func(*RelaxedTx)) {
	t.Helper()
	require.NoError(t, d.Relaxed(t.Context(), demands))
}

// Of any number of callers who complete an order, one has its certificate
// recorded.
func TestCompleteOrderConcurrently(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		o, _ := order(t, d, account(t, d, "device/a"), AuthorizationValid)
		oneCertificate(t, d, o.ID, func(int) error { return complete(d, o.ID) })
		verify(t, d)
	})
}

// One order, one certificate, over any number of replicas.
func TestReplicasCompleteOrder(t *testing.T) {
	dbs := replicas(t, 3)
	identity(t, dbs[0], "device/a")
	o, _ := order(t, dbs[0], account(t, dbs[0], "device/a"), AuthorizationValid)
	oneCertificate(t, dbs[0], o.ID, func(i int) error { return complete(dbs[i%3], o.ID) })
	verify(t, dbs[1])
}

// oneCertificate demands that of 1,000 attempts one completes the order.
func oneCertificate(t *testing.T, d *DB, id OrderID, attempt func(int) error) {
	done := 0
	for _, err := range parallel(1000, attempt) {
		if err == nil {
			done++
			continue
		}
		require.ErrorIs(t, err, ErrSpent)
	}
	require.Equal(t, 1, done)
	certs, _, err := d.Certificates(t.Context(), CertificateFilter{Identity: "device/a"}, Page{})
	require.NoError(t, err)
	require.Len(t, certs, 1)
	got, err := d.Order(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, OrderValid, got.Status)
	require.Equal(t, &certs[0].Serial, got.Serial)
	of, err := d.OrderOfCertificate(t.Context(), certs[0].Serial)
	require.NoError(t, err)
	require.Equal(t, id, of.ID)
	_, err = d.OrderOfCertificate(t.Context(), Serial{1})
	require.ErrorIs(t, err, ErrNotFound)

	mine, err := d.AccountCertificate(t.Context(), got.Account, certs[0].Serial)
	require.NoError(t, err)
	require.Equal(t, certs[0], mine)
	_, err = d.AccountCertificate(t.Context(), NewAccountID(), certs[0].Serial)
	require.ErrorIs(t, err, ErrNotFound, "another account's")
	_, err = d.AccountCertificate(t.Context(), got.Account, Serial{1})
	require.ErrorIs(t, err, ErrNotFound)
}

// What came to pass between the reading of an order and its completion counts:
// nothing is issued.
func TestCompleteOrderRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		for name, meanwhile := range overtakers {
			t.Run(name, func(t *testing.T) {
				a, o, z := completable(t, d)
				meanwhile(t, d, a, o, z)
				require.ErrorIs(t, complete(d, o.ID), ErrSpent)
			})
		}
		_, o, _ := completable(t, d)
		require.NoError(t, complete(d, o.ID)) // the others were not refused for nothing
		_, o, _ = completable(t, d)
		require.NoError(t, alone(d, (*AloneTx).RevokeIdentity, "device/a"))
		require.ErrorIs(t, complete(d, o.ID), ErrSpent)
		verify(t, d)
	})
}

// completable records an order that waits for its completion, of an account that a
// token has bound.
func completable(t testing.TB, d *DB) (Account, Order, Authorization) {
	a, id := newAccount("device/a"), token(t, d, 1)
	a.Token = &id
	must(t, d, func(tx *Tx) {
		tx.SpendToken(id)
		tx.InsertAccount(a)
	})
	o, z := order(t, d, a, AuthorizationValid)
	return a, o, z
}

// overtakers are what keeps an order from being completed if it comes first.
var overtakers = map[string]func(testing.TB, *DB, Account, Order, Authorization){
	"token revoked": func(t testing.TB, d *DB, a Account, _ Order, _ Authorization) {
		must(t, d, func(tx *Tx) { tx.RevokeToken(*a.Token) })
	},
	"account deactivated": func(t testing.TB, d *DB, a Account, _ Order, _ Authorization) {
		must(t, d, func(tx *Tx) { tx.DeactivateAccount(a.ID) })
	},
	"accounts revoked": func(t testing.TB, d *DB, _ Account, _ Order, _ Authorization) {
		must(t, d, func(tx *Tx) { tx.RevokeAccounts("device/a") })
	},
	"authorization deactivated": func(t testing.TB, d *DB, _ Account, _ Order, z Authorization) {
		relax(t, d, func(tx *RelaxedTx) { tx.DeactivateAuthorization(z.ID) })
	},
	"order invalidated": func(t testing.TB, d *DB, _ Account, o Order, _ Authorization) {
		relax(t, d, func(tx *RelaxedTx) { tx.InvalidateOrder(o.ID, nil) })
	},
}

// Whoever takes away what an order rests on, on one replica, wins against its
// completion on another, wherever that is: it waits for the row, and sees what
// became of it.
func TestReplicasCompleteOrderWaits(t *testing.T) {
	dbs := replicas(t, 2)
	identity(t, dbs[0], "device/a")
	takeAway := map[string]func(*Tx, Account, Order, Authorization){
		"token revoked":       func(tx *Tx, a Account, _ Order, _ Authorization) { tx.RevokeToken(*a.Token) },
		"account deactivated": func(tx *Tx, a Account, _ Order, _ Authorization) { tx.DeactivateAccount(a.ID) },
		"accounts revoked":    func(tx *Tx, _ Account, _ Order, _ Authorization) { tx.RevokeAccounts("device/a") },
		"authorization deactivated": func(tx *Tx, _ Account, _ Order, z Authorization) {
			tx.demand(1, ErrStale, `UPDATE acme_authorizations SET status = 'deactivated' WHERE id = $1`, z.ID[:])
		},
		"order invalidated": func(tx *Tx, _ Account, o Order, _ Authorization) {
			tx.demand(1, ErrStale, `UPDATE acme_orders SET status = 'invalid' WHERE id = $1`, o.ID[:])
		},
	}
	for name, demands := range takeAway {
		t.Run(name, func(t *testing.T) {
			a, o, z := completable(t, dbs[0])
			var completed chan error
			require.NoError(t, dbs[0].UpdateAlone(t.Context(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
				demands(&tx.Tx, a, o, z)
				if completed == nil {
					completed = make(chan error, 1)
					go func() { completed <- complete(dbs[1], o.ID) }()
					require.NoError(t, waits(t, dbs[1]))
				}
				return event(), tx.Err()
			}))
			require.ErrorIs(t, <-completed, ErrSpent)
		})
	}
}

// waits returns once a transaction of the database waits for another's lock.
func waits(t testing.TB, d *DB) error {
	timeout := time.After(20 * time.Second)
	for {
		var n int
		if err := d.reads.db.QueryRowContext(t.Context(), `
			SELECT COUNT(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%acme_orders%'`).Scan(&n); err != nil || n > 0 {
			return err
		}
		select {
		case <-timeout:
			return context.DeadlineExceeded
		case <-time.After(5 * time.Millisecond):
		}
	}
}
