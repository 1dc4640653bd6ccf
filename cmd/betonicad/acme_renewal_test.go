package main_test

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/mholt/acmez/v3"
	client "github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/require"
)

// A client renews when the CA says so, and says what it replaces, which is heard
// once; of a revoked certificate it hears at once that it is too late, also from a
// daemon that has started since.
func TestACMERenewalInfo(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	c, account := acmezAccount(t, d, trusting(t, dir), "service", "web")
	first, err := acmezObtain(t, c, account, nil)
	require.NoError(t, err)
	window := func(cert *x509.Certificate) client.RenewalInfo {
		t.Helper()
		info, err := c.GetRenewalInfo(t.Context(), cert)
		require.NoError(t, err)
		return info
	}
	info := window(first)
	require.True(t, info.SuggestedWindow.Start.After(time.Now()), "a new one is good for a while")
	require.True(t, info.SuggestedWindow.End.Before(first.NotAfter))

	second, err := acmezObtain(t, c, account, first)
	require.NoError(t, err)
	replaced := func(cert *x509.Certificate) {
		t.Helper()
		order := client.Order{Identifiers: []client.Identifier{{Type: "dns", Value: webName}}, Replaces: certID(t, cert)}
		_, err := c.NewOrder(t.Context(), account, order)
		refused := new(client.Problem)
		require.ErrorAs(t, err, refused)
		require.Equal(t, http.StatusConflict, refused.Status)
		require.Equal(t, client.ProblemTypeAlreadyReplaced, refused.Type)
	}
	replaced(first)

	run(t, "betonica", "revoke", "--serial", serialOf(second), "--reason", "keyCompromise", "--yes", "--socket", d.Socket)
	require.True(t, window(second).SuggestedWindow.End.Before(time.Now()))
	require.Equal(t, info.SuggestedWindow, window(first).SuggestedWindow, "the other's is as before")
	third, err := acmezObtain(t, c, account, second)
	require.NoError(t, err, "what is revoked is replaced")

	again := d.again(t)
	replaced(first)
	replaced(second)
	require.True(t, window(second).SuggestedWindow.End.Before(time.Now()))
	run(t, "betonica", "revoke", "service/web", "--yes", "--socket", again.Socket)
	for _, cert := range []*x509.Certificate{first, second, third} {
		require.True(t, window(cert).SuggestedWindow.End.Before(time.Now()))
	}
}

// acmezAccount returns a client of github.com/mholt/acmez, and an account of that
// identity.
func acmezAccount(t testing.TB, d *daemon, over http.RoundTripper, role, name string) (*acmez.Client, client.Account) {
	t.Helper()
	c := &acmez.Client{Client: &client.Client{
		Directory: d.directory(), HTTPClient: &http.Client{Transport: over}, PollInterval: 10 * time.Millisecond,
		Logger: slog.New(slog.DiscardHandler),
	}}
	token := d.newEAB(t, role, name)
	account := client.Account{TermsOfServiceAgreed: true, PrivateKey: newRequest(t).key}
	require.NoError(t, account.SetExternalAccountBinding(t.Context(), c.Client, client.EAB{KeyID: token.KID, MACKey: token.HMACKey}))
	account, err := c.NewAccount(t.Context(), account)
	require.NoError(t, err)
	return c, account
}

// acmezObtain gets a certificate for web.
func acmezObtain(t testing.TB, c *acmez.Client, account client.Account, replaces *x509.Certificate) (*x509.Certificate, error) {
	t.Helper()
	request := newRequest(t)
	csr, err := acmez.NewCSR(request.key, []string{webName})
	require.NoError(t, err)
	params, err := acmez.OrderParametersFromCSR(account, csr)
	require.NoError(t, err)
	params.Replaces = replaces
	chains, err := c.ObtainCertificate(t.Context(), params)
	if err != nil {
		return nil, err
	}
	pair, err := request.certificate(chains[0].ChainPEM)
	require.NoError(t, err)
	return pair.Leaf, nil
}

// certID is how ARI names a certificate.
func certID(t testing.TB, cert *x509.Certificate) string {
	id, err := client.ARIUniqueIdentifier(cert)
	require.NoError(t, err)
	return id
}
