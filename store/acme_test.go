package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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
	a := Account{ID: NewAccountID(), Identity: path, JWK: []byte(`{"kty":"EC"}`), Status: AccountValid, Contacts: []string{"mailto:ops@example.test"}, Terms: true}
	a.Thumbprint, a.SPKI = certificate(path).SPKI, certificate(path).SPKI
	return a
}

// example is the identifier that orders of tests are for.
var example = Identifier{Type: "dns", Value: "sn-1.example.test"}

// order records an open order with one authorization of this status.
func order(t testing.TB, d *DB, account Account, status AuthorizationStatus) (Order, Authorization) {
	t.Helper()
	now := time.Now()
	a := Authorization{ID: NewAuthorizationID(), Account: account.ID, Identifier: example, Status: status, Token: "tok", Expires: now.Add(time.Hour)}
	o := Order{
		ID: NewOrderID(), Account: account.ID, Identity: account.Identity, Identifiers: []OrderIdentifier{{Identifier: example}},
		Expires: now.Add(time.Hour), Authorizations: []AuthorizationID{a.ID},
	}
	require.NoError(t, d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.InsertOrder(o, []Authorization{a}) }))
	return o, a
}

// Of any number of callers who complete an order, one has its certificate
// recorded.
func TestCompleteOrderConcurrently(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		o, _ := order(t, d, account(t, d, "device/a"), AuthorizationValid)
		done := 0
		for _, err := range parallel(1000, func(int) error { return complete(d, o.ID) }) {
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
		got, err := d.Order(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, OrderValid, got.Status)
		require.Equal(t, certs[0].Serial, *got.Serial)
	})
}

// complete records a certificate of device/a for the order.
func complete(d *DB, id OrderID) error {
	c := certificate("device/a")
	return update(d, func(tx *Tx) {
		tx.CompleteOrder(id, c.Serial)
		tx.InsertCertificate(c)
	})
}
