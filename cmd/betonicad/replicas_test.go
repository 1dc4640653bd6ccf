package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"

	"github.com/betonica/betonica/store/storetest"
)

// Two daemons of one CA on one database are one ACME server: a nonce of one is
// good on the other, once, whichever is asked; accounts and orders are of both;
// and what was revoked on one is refused by the other.
func TestACMEReplicas(t *testing.T) {
	t.Parallel()
	dir := newCA(t, "--dsn", storetest.Postgres(t).Database(t))
	twin := filepath.Join(t.TempDir(), "ca")
	for _, suffix := range []string{"", ".passphrase"} {
		out, err := exec.Command("cp", "-a", dir+suffix, twin+suffix).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	one, two := serve(t, dir), serve(t, twin)
	over := trusting(t, dir)
	here := bound(t, one, over, "service", "web")
	there := newAccount(t, two, over)
	there.Key, there.KID = here.Key, here.KID

	order, err := here.AuthorizeOrder(t.Context(), acme.DomainIDs(webName))
	require.NoError(t, err)
	twinOf := func(url string) string { return strings.Replace(url, one.HTTPS, two.HTTPS, 1) }
	order.FinalizeURL = twinOf(order.FinalizeURL)
	_, err = there.finalize(order, webName)
	require.NoError(t, err, "an order of the other's")
	_, err = there.obtain(webName)
	require.NoError(t, err)

	nonce, err := here.Nonce()
	require.NoError(t, err)
	for i, url := range []string{twinOf(order.URI), order.URI, twinOf(order.URI)} {
		fresh, err := here.spend(url, nonce)
		require.NoError(t, err)
		require.Equal(t, i == 0, fresh)
	}
	for range 20 { // and whoever is faster
		nonce, err := here.Nonce()
		require.NoError(t, err)
		var taken atomic.Int64
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				fresh, err := here.spend([]string{order.URI, twinOf(order.URI)}[i%2], nonce)
				if err != nil {
					t.Error(err)
				}
				if fresh {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, taken.Load())
	}

	run(t, "betonica", "revoke", "service/web", "--yes", "--socket", one.Socket)
	_, err = there.obtain(webName)
	problem(t, err, http.StatusForbidden, "unauthorized")
	require.NoError(t, one.stop())
	require.NoError(t, two.stop())
	run(t, "betonicad", "audit", "verify", "--dir", dir)
}

// spend reads an order with a nonce, and reports whether the nonce was fresh.
func (a account) spend(url, nonce string) (fresh bool, err error) {
	signed, err := a.sign(url, once(nonce), nil)
	if err != nil {
		return false, err
	}
	resp, body, err := a.send(url, signed)
	if err != nil || resp.StatusCode == http.StatusOK {
		return err == nil, err
	}
	if !bytes.Contains(body, []byte(":badNonce")) {
		return false, fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return false, nil
}

// once is one nonce.
type once string

func (n once) Nonce() (string, error) { return string(n), nil }
