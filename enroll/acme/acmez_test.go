package acme_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/mholt/acmez/v3"
	client "github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// A solver shows http-01 on the site.
type solver struct{ site *site }

func (s solver) Present(_ context.Context, c client.Challenge) error {
	s.site.show(c.HTTP01ResourcePath(), c.KeyAuthorization)
	return nil
}

func (s solver) CleanUp(context.Context, client.Challenge) error { return nil }

// acmez returns a client of github.com/mholt/acmez with an account.
func (w *world) acmez(eab *client.EAB) (*acmez.Client, client.Account) {
	w.t.Helper()
	c := &acmez.Client{
		Client: &client.Client{
			Directory: w.url("/acme/directory"), HTTPClient: w.client, PollInterval: 10 * time.Millisecond,
			Logger: slog.New(slog.DiscardHandler),
		},
		ChallengeSolvers: map[string]acmez.Solver{client.ChallengeTypeHTTP01: solver{w.site}},
	}
	account := client.Account{Contact: []string{"mailto:ops@hospital.example"}, TermsOfServiceAgreed: true, PrivateKey: enrolltest.NewKey(w.t)}
	if eab != nil {
		require.NoError(w.t, account.SetExternalAccountBinding(w.t.Context(), c.Client, *eab))
	}
	account, err := c.NewAccount(w.t.Context(), account)
	require.NoError(w.t, err)
	return c, account
}

// github.com/mholt/acmez, which is Caddy's: by token alone, renewal that names what
// it replaces and has its window from ARI, another key, revocation by the
// certificate's key.
func TestACMEZ(t *testing.T) {
	w := newWorld(t, nil)
	ctx := t.Context()
	kid, key := w.eab("device", "pump-1")
	c, account := w.acmez(&client.EAB{KeyID: kid, MACKey: base64.RawURLEncoding.EncodeToString(key)})

	obtain := func(names []string, replaces *x509.Certificate) (*x509.Certificate, error) {
		certKey := enrolltest.NewKey(t)
		request, err := x509.ParseCertificateRequest(csr(t, certKey, names...))
		require.NoError(t, err)
		params, err := acmez.OrderParametersFromCSR(account, request)
		require.NoError(t, err)
		params.Replaces = replaces
		chains, err := c.ObtainCertificate(ctx, params)
		if err != nil {
			return nil, err
		}
		require.Len(t, chains, 1, "one issuer has no alternates")
		return leaf(t, chains[0].ChainPEM), nil
	}
	first, err := obtain([]string{"pump-1.devices.example"}, nil)
	require.NoError(t, err)

	info, err := c.GetRenewalInfo(ctx, first)
	require.NoError(t, err)
	require.True(t, info.SuggestedWindow.Start.After(first.NotBefore.Add(first.NotAfter.Sub(first.NotBefore)/2)))
	require.True(t, info.SuggestedWindow.End.Before(first.NotAfter))
	require.NotNil(t, info.RetryAfter)

	second, err := obtain([]string{"pump-1.devices.example"}, first)
	require.NoError(t, err)
	require.NotEqual(t, first.SerialNumber, second.SerialNumber)

	account, err = c.AccountKeyRollover(ctx, account, enrolltest.NewKey(t))
	require.NoError(t, err)
	third, err := obtain([]string{"pump-1.devices.example", "127.0.0.1"}, nil)
	require.NoError(t, err)

	require.NoError(t, c.RevokeCertificate(ctx, account, third, nil, client.ReasonUnspecified))
	_, revocation, err := w.Store.Status(ctx, w.Authority.IssuerID(), store.SerialOf(third))
	require.NoError(t, err)
	require.NotNil(t, revocation)
	gone, err := c.GetRenewalInfo(ctx, third)
	require.NoError(t, err)
	require.True(t, gone.SuggestedWindow.End.Before(w.Now()), "who holds a revoked certificate renews at once")

	require.NoError(t, c.RevokeCertificate(ctx, account, second, nil, client.ReasonSuperseded))
	problem := new(client.Problem)
	require.ErrorAs(t, c.RevokeCertificate(ctx, account, second, nil, client.ReasonSuperseded), problem)
	require.Equal(t, http.StatusBadRequest, problem.Status)
	require.Equal(t, client.ProblemTypeAlreadyRevoked, problem.Type)
}

// A client without a token shows what it controls, and may name the role that it
// means as a profile.
func TestACMEZChallenge(t *testing.T) {
	w := newWorld(t, open)
	c, account := w.acmez(nil)
	key := enrolltest.NewKey(t)
	request, err := x509.ParseCertificateRequest(csr(t, key, "one.web.example"))
	require.NoError(t, err)
	params, err := acmez.OrderParametersFromCSR(account, request)
	require.NoError(t, err)
	params.Profile = "web"
	chains, err := c.ObtainCertificate(t.Context(), params)
	require.NoError(t, err)
	cert := leaf(t, chains[0].ChainPEM)
	require.Equal(t, "/web/one.web.example", cert.URIs[0].Path)
	require.NoError(t, c.RevokeCertificate(t.Context(), client.Account{}, cert, key, client.ReasonKeyCompromise), "by its own key")

	params.Profile = "nobody"
	_, err = c.ObtainCertificate(t.Context(), params)
	require.ErrorContains(t, err, "unknown profile", "the directory has all of them")
}
