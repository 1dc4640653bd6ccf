package enroll_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// A token for external account binding is for one identity and one use; the store
// has its secret sealed, and no other token's.
func TestTokenEAB(t *testing.T) {
	c := enrolltest.New(t)
	for _, req := range []enroll.TokenRequest{
		{Role: "device", Name: "pump-*", EAB: true},
		{Role: "device", Name: "pump-1", EAB: true, Replace: true, Uses: 2},
		{Role: "device", Name: "pump-1", EAB: true, SPKI: new([32]byte)},
	} {
		_, err := c.CreateToken(t.Context(), enrolltest.Root, req)
		_, bad := errors.AsType[*api.BadRequestError](err)
		require.True(t, bad, "%+v: %v", req, err)
	}
	text := eab(c, "device", "pump-1")
	token, err := api.ParseToken(text)
	require.NoError(t, err)
	row, err := c.Store.Token(t.Context(), store.TokenID(token.ID()))
	require.NoError(t, err)
	require.NotEmpty(t, row.Sealed)
	require.NotContains(t, string(row.Sealed), string(token.Secret[:]))
	plain, err := c.Store.Token(t.Context(), tokenID(t, c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})))
	require.NoError(t, err)
	require.Empty(t, plain.Sealed)

	setPolicy(t, c, "[role.device]\nmethods = ['token']\n")
	denied(t, func() error {
		_, err := c.CreateToken(t.Context(), enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "pump-3", EAB: true})
		return err
	})
	setPolicy(t, c, "[role.device]\nmethods = ['acme']\n")
	_, err = c.CreateToken(t.Context(), enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "pump-3", EAB: true})
	require.NoError(t, err)
}

// A key identifier that is no good is refused as a bearer's bad token is: without
// a reason, on record, and after a few with a time to wait.
func TestExternalKeyRefuses(t *testing.T) {
	c := enrolltest.New(t)
	here := netip.MustParsePrefix("192.0.2.0/24")
	revoked := eab(c, "device", "pump-1")
	require.NoError(t, c.RevokeToken(t.Context(), enrolltest.Root, tokenID(t, revoked)))
	elsewhere := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2", EAB: true, Network: netip.MustParsePrefix("198.51.100.0/24")})
	near := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-3", EAB: true, Network: here})
	plain := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-4"})
	kids := map[string]string{
		"": "not a key identifier", "x": "not a key identifier", "00112233445566778899aabbccddeeff": "unknown",
		tokenID(t, revoked).String(): "revoked", tokenID(t, elsewhere).String(): "outside its network 198.51.100.0/24",
		tokenID(t, plain).String(): "not made for external account binding",
	}
	i := 0
	for kid := range kids {
		i++
		_, err := c.ExternalKey(t.Context(), kid, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		require.ErrorIs(t, err, enroll.ErrUnauthenticated)
	}
	good, err := c.ExternalKey(t.Context(), tokenID(t, near).String(), home)
	require.NoError(t, err)
	for range 5 {
		require.ErrorIs(t, good.Bad(t.Context()), enroll.ErrUnauthenticated)
	}
	err = good.Bad(t.Context())
	limited, ok := errors.AsType[*enroll.RateLimitError](err)
	require.True(t, ok, "%v", err)
	require.LessOrEqual(t, limited.RetryAfter, time.Minute)
	_, err = c.ExternalKey(t.Context(), "x", home)
	_, ok = errors.AsType[*enroll.RateLimitError](err)
	require.True(t, ok, "%v", err)
	_, err = c.ExternalKey(t.Context(), tokenID(t, near).String(), home)
	require.NoError(t, err, "a good one passes all the same")

	c.Stop()
	seen := make(map[string]int)
	for _, e := range c.Audit("token.refuse") {
		seen[e.Outcome]++
	}
	for _, why := range kids {
		require.Positive(t, seen[why], why)
	}
	require.Equal(t, 6, seen["binding not signed with its key"])
}

// The secret of a token is in no error, no audit entry and no log line of what is
// done with it.
func TestExternalAccountIsSecret(t *testing.T) {
	c := enrolltest.New(t)
	text := eab(c, "device", "pump-1")
	token, err := api.ParseToken(text)
	require.NoError(t, err)
	e := external(t, c, text)
	said := fmt.Sprintf("%v %+v %s", e, e, e.Bad(t.Context()))
	require.Contains(t, said, "token:"+tokenID(t, text).String())
	_, err = c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, enrolltest.NewKey(t)), External: e, From: home})
	require.NoError(t, err)
	_, err = c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, enrolltest.NewKey(t)), External: e, From: home})
	said += fmt.Sprint(err)
	c.Stop()
	for _, action := range []string{"token.create", "token.refuse", "acme.account", "token.reuse"} {
		entries := c.Audit(action)
		require.NotEmpty(t, entries, action)
		said += fmt.Sprintf("%+v", entries)
	}
	for _, secret := range []string{string(token.Secret[:]), text[4:47], fmt.Sprintf("%x", token.Secret), fmt.Sprint(token.Secret)} {
		require.NotContains(t, said, secret)
	}
}
