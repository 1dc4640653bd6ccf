package acme_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"
	client "golang.org/x/crypto/acme"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// xcrypto returns a client of golang.org/x/crypto/acme without an account.
func (w *world) xcrypto() *client.Client {
	return &client.Client{Key: enrolltest.NewKey(w.t), HTTPClient: w.client, DirectoryURL: w.url("/acme/directory")}
}

// obtain orders, meets what challenges there are by show, and returns the leaf.
func obtain(t *testing.T, c *client.Client, ids []client.AuthzID, show func(*client.Challenge, string), typ string) (*x509.Certificate, *client.Order) {
	t.Helper()
	ctx := t.Context()
	order, err := c.AuthorizeOrder(ctx, ids)
	require.NoError(t, err)
	for _, url := range order.AuthzURLs {
		authz, err := c.GetAuthorization(ctx, url)
		require.NoError(t, err)
		if authz.Status == client.StatusValid {
			continue
		}
		require.NotNil(t, show, "no challenge is needed")
		for _, challenge := range authz.Challenges {
			if challenge.Type == typ {
				show(challenge, authz.Identifier.Value)
				_, err = c.Accept(ctx, challenge)
				require.NoError(t, err)
			}
		}
		_, err = c.WaitAuthorization(ctx, url)
		require.NoError(t, err)
	}
	order, err = c.WaitOrder(ctx, order.URI)
	require.NoError(t, err)
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.Value
	}
	chain, _, err := c.CreateOrderCert(ctx, order.FinalizeURL, csr(t, enrolltest.NewKey(t), names...), true)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(chain[0])
	require.NoError(t, err)
	return cert, order
}

// golang.org/x/crypto/acme: an account by token, a certificate by token alone,
// another key, revocation, deactivation.
func TestXCrypto(t *testing.T) { eachWorld(t, nil, testXCrypto) }

func testXCrypto(t *testing.T, w *world) {
	ctx, c := t.Context(), w.xcrypto()
	directory, err := c.Discover(ctx)
	require.NoError(t, err)
	require.True(t, directory.ExternalAccountRequired)
	kid, key := w.eab("device", "pump-1")
	account, err := c.Register(ctx, &client.Account{
		Contact:                []string{"mailto:ops@hospital.example"},
		ExternalAccountBinding: &client.ExternalAccountBinding{KID: kid, Key: key},
	}, client.AcceptTOS)
	require.NoError(t, err)
	require.Equal(t, client.StatusValid, account.Status)

	cert, order := obtain(t, c, client.DomainIDs("pump-1.devices.example"), nil, "")
	require.Equal(t, []string{"pump-1.devices.example"}, cert.DNSNames)
	again, err := c.FetchCert(ctx, mustOrder(t, c, order.URI).CertURL, false)
	require.NoError(t, err)
	require.Equal(t, cert.Raw, again[0])

	old := c.Key
	require.NoError(t, c.AccountKeyRollover(ctx, enrolltest.NewKey(t)))
	obtain(t, c, client.DomainIDs("pump-1.devices.example"), nil, "")
	_, err = (&client.Client{Key: old, HTTPClient: w.client, DirectoryURL: c.DirectoryURL}).GetReg(ctx, "")
	require.ErrorIs(t, err, client.ErrNoAccount)

	require.NoError(t, c.RevokeCert(ctx, nil, cert.Raw, client.CRLReasonSuperseded))
	_, revocation, err := w.Store.Status(ctx, w.Authority.IssuerID(), store.SerialOf(cert))
	require.NoError(t, err)
	require.Equal(t, 4, revocation.Reason)

	require.NoError(t, c.DeactivateReg(ctx))
	_, err = c.AuthorizeOrder(ctx, client.DomainIDs("pump-1.devices.example"))
	require.Error(t, err)
}

func mustOrder(t *testing.T, c *client.Client, url string) *client.Order {
	order, err := c.GetOrder(t.Context(), url)
	require.NoError(t, err)
	return order
}

// Names that no token covers take a challenge: http-01 and tls-alpn-01, also for
// addresses (RFC 8738), and dns-01; what was shown need not be shown again.
func TestXCryptoChallenges(t *testing.T) { eachWorld(t, open, testXCryptoChallenges) }

func testXCryptoChallenges(t *testing.T, w *world) {
	newClient := func(t *testing.T) *client.Client {
		c := w.xcrypto()
		_, err := c.Register(t.Context(), &client.Account{}, client.AcceptTOS)
		require.NoError(t, err)
		return c
	}
	byHTTP := func(c *client.Client) func(*client.Challenge, string) {
		return func(challenge *client.Challenge, _ string) {
			text, err := c.HTTP01ChallengeResponse(challenge.Token)
			require.NoError(t, err)
			w.site.show(c.HTTP01ChallengePath(challenge.Token), text)
		}
	}
	byDNS := func(c *client.Client) func(*client.Challenge, string) {
		return func(challenge *client.Challenge, name string) {
			text, err := c.DNS01ChallengeRecord(challenge.Token)
			require.NoError(t, err)
			w.site.showTXT("_acme-challenge."+name, text)
		}
	}
	byALPN := func(serverName string) func(c *client.Client) func(*client.Challenge, string) {
		return func(c *client.Client) func(*client.Challenge, string) {
			return func(challenge *client.Challenge, name string) {
				cert, err := c.TLSALPN01ChallengeCert(challenge.Token, name)
				require.NoError(t, err)
				w.site.showCertificate(serverName, cert)
			}
		}
	}
	for _, tt := range []struct {
		name string
		ids  []client.AuthzID
		typ  string
		show func(*client.Client) func(*client.Challenge, string)
	}{
		{"http-01", client.DomainIDs("one.web.example", "two.web.example"), "http-01", byHTTP},
		{"http-01 ip", client.IPIDs("127.0.0.1"), "http-01", byHTTP},
		{"tls-alpn-01", client.DomainIDs("three.web.example"), "tls-alpn-01", byALPN("three.web.example")},
		{"tls-alpn-01 ip", client.IPIDs("127.0.0.1"), "tls-alpn-01", byALPN("1.0.0.127.in-addr.arpa")},
		{"dns-01", client.DomainIDs("four.web.example"), "dns-01", byDNS},
		{"dns-01 wildcard", client.DomainIDs("*.web.example"), "dns-01", byDNS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t)
			cert, _ := obtain(t, c, tt.ids, tt.show(c), tt.typ)
			require.Len(t, append(cert.DNSNames, ipTexts(cert)...), len(tt.ids))
			obtain(t, c, tt.ids, nil, "")
		})
	}
}

func ipTexts(cert *x509.Certificate) []string {
	var all []string
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
