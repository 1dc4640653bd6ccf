package main_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"
)

const (
	webName = "web.service." + trustDomain
	webURI  = "spiffe://" + trustDomain + "/service/web"
)

// An account's new key is in force once the client has heard so, whatever becomes
// of the daemon; and the old one is good for nothing, for ever.
func TestACMEKeyChange(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	over := trusting(t, dir)
	a := bound(t, d, over, "service", "web")
	_, err := a.obtain(webName)
	require.NoError(t, err)
	old := newAccount(t, d, over)
	old.Key = a.Key
	require.NoError(t, a.AccountKeyRollover(t.Context(), newRequest(t).key))
	refused := func() {
		t.Helper()
		_, err = old.GetReg(t.Context(), "")
		require.ErrorIs(t, err, acme.ErrNoAccount)
		thief := newAccount(t, d, over)
		thief.Key, thief.KID = old.Key, a.KID
		_, err = thief.obtain(webName)
		problem(t, err, http.StatusBadRequest, "malformed")
	}
	refused()

	d = d.again(t)
	refused()
	same := newAccount(t, d, over)
	same.Key = a.Key
	reg, err := same.GetReg(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, string(a.KID), reg.URI)
	cert, err := same.obtain(webName)
	require.NoError(t, err)
	require.Equal(t, webURI, cert.URIs[0].String(), "whom it is bound to stays")

	// Nobody makes an account of a key that was one's, and the token is not lost by
	// that.
	second := newAccount(t, d, over)
	second.Key = same.Key
	require.NoError(t, same.AccountKeyRollover(t.Context(), newRequest(t).key))
	token := d.newEAB(t, "service", "db")
	for _, used := range []account{old, second} {
		problem(t, used.bind(token.KID, hmacKey(t, token)), http.StatusBadRequest, "badPublicKey")
	}
	require.NoError(t, newAccount(t, d, over).bind(token.KID, hmacKey(t, token)))
	run(t, "betonicad", "audit", "verify", "--dir", dir)
}

// An account that its holder has ended is ended for good, and so is its key. What
// it got before stays valid.
func TestACMEDeactivate(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	over := trusting(t, dir)
	a := bound(t, d, over, "service", "web")
	ready, err := a.AuthorizeOrder(t.Context(), acme.DomainIDs(webName))
	require.NoError(t, err)
	_, err = a.obtain(webName)
	require.NoError(t, err)
	require.NoError(t, a.DeactivateReg(t.Context()))

	d = d.again(t)
	after := newAccount(t, d, over)
	after.Key, after.KID = a.Key, a.KID
	_, err = after.obtain(webName)
	problem(t, err, http.StatusUnauthorized, "unauthorized")
	_, err = after.finalize(ready, webName)
	problem(t, err, http.StatusUnauthorized, "unauthorized")
	token := d.newEAB(t, "service", "db")
	problem(t, after.bind(token.KID, hmacKey(t, token)), http.StatusUnauthorized, "unauthorized")
	require.NoError(t, d.stop())
	require.Equal(t, 1, count(t, dir, `SELECT count(*) FROM certificates WHERE identity = 'service/web'`))
	require.Zero(t, count(t, dir, `SELECT count(*) FROM revocations`))
}

// An account finds all its orders again, in pages, and nobody else's.
func TestACMEOrders(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	over := trusting(t, dir)
	a, other := bound(t, d, over, "service", "web"), bound(t, d, over, "service", "db")
	const orders = 101 // one more than fits on a page
	var made []string
	for range orders {
		order, err := a.AuthorizeOrder(t.Context(), acme.DomainIDs(webName))
		require.NoError(t, err)
		made = append(made, order.URI)
	}
	_, err := other.AuthorizeOrder(t.Context(), acme.DomainIDs("db.service."+trustDomain))
	require.NoError(t, err)

	list := string(a.KID) + "/orders"
	var found []string
	for next, pages := list, 0; next != ""; pages++ {
		require.Less(t, pages, 2)
		resp, body := a.post(next, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
		found = append(found, ordersOf(t, body)...)
		next = linkOf(resp, "next")
	}
	require.ElementsMatch(t, made, found)
	resp, body := other.post(list, nil)
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "%s", body)
}
