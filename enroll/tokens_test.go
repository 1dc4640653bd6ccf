package enroll_test

import (
	"crypto/x509"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// A token says what its maker asked for, lives an hour unless he said otherwise,
// and what the store has of it is not its secret.
func TestCreateToken(t *testing.T) {
	c := enrolltest.New(t)
	network := netip.MustParsePrefix("10.0.0.0/8")
	text := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Network: network, Owner: "icu"})
	parsed, err := api.ParseToken(text)
	require.NoError(t, err)
	token, err := c.Store.Token(t.Context(), tokenID(t, text))
	require.NoError(t, err)
	require.WithinDuration(t, c.Now().Add(time.Hour), token.Expires, time.Minute)
	require.Equal(t, 1, token.MaxUses)
	require.Equal(t, network, token.Network)
	require.Equal(t, "uid:0", token.CreatedBy)
	require.Equal(t, parsed.Hash(), token.Hash)
	require.NotContains(t, string(token.Hash[:]), string(parsed.Secret[:]))
	require.Equal(t, "icu", c.Identity("device/pump-1").Owner)

	entries := c.Audit("token.create")
	require.Len(t, entries, 1)
	require.Equal(t, "device/pump-1", entries[0].Subject)
	require.Equal(t, token.ID.String(), entries[0].Detail["token"])
	require.Equal(t, true, entries[0].Detail["created"])
}

// A token request that contradicts itself, or that policy has no place for, makes
// no token and no identity.
func TestCreateTokenRefuses(t *testing.T) {
	c := enrolltest.New(t)
	key := [32]byte{1}
	operator := enroll.Actor{Name: "operator/alice", Address: home}
	var bad *api.BadRequestError
	var denied *ca.DeniedError
	for _, tt := range []struct {
		name string
		by   enroll.Actor
		req  enroll.TokenRequest
		want any
	}{
		{"no name", enrolltest.Root, enroll.TokenRequest{Role: "device"}, &bad},
		{"a path as name", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a/b"}, &bad},
		{"too long", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a", TTL: 24*time.Hour + 1}, &bad},
		{"negative", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a", TTL: -time.Hour}, &bad},
		{"negative uses", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a", Uses: -1}, &bad},
		{"one identity, two uses", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a", Uses: 2}, &bad},
		{"one key, two uses", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a*", Uses: 2, SPKI: &key}, &bad},
		{"a pattern that replaces", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a*", Replace: true}, &bad},
		{"a network with host bits", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a", Network: netip.MustParsePrefix("10.0.0.1/8")}, &bad},
		{"unknown role", enrolltest.Root, enroll.TokenRequest{Role: "pumps", Name: "a"}, &denied},
		{"unknown role, pattern", enrolltest.Root, enroll.TokenRequest{Role: "pumps", Name: "a*"}, &denied},
		{"name outside the role", enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "a.b"}, &denied},
		{"the CA's own role", enrolltest.Root, enroll.TokenRequest{Role: "ca", Name: "a"}, &denied},
		{"the CA's own role, pattern", enrolltest.Root, enroll.TokenRequest{Role: "ca", Name: "*"}, &denied},
		{"privileged role, not root", operator, enroll.TokenRequest{Role: "admin", Name: "mallory"}, &denied},
		{"privileged role, pattern, not root", operator, enroll.TokenRequest{Role: "auditor", Name: "*"}, &denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused := len(c.Audit("admin.refuse"))
			_, err := c.CreateToken(t.Context(), tt.by, tt.req)
			require.ErrorAs(t, err, tt.want)
			if tt.want == &denied {
				require.Len(t, c.Audit("admin.refuse"), refused+1)
			}
		})
	}
	tokens, _, err := c.Store.Tokens(t.Context(), store.TokenFilter{}, store.Page{})
	require.NoError(t, err)
	require.Empty(t, tokens)
	ids, _, err := c.Store.Identities(t.Context(), store.IdentityFilter{}, store.Page{})
	require.NoError(t, err)
	require.Empty(t, ids)
}

// Root on the socket makes tokens for privileged roles, and the log says that it
// did so alone.
func TestBootstrapToken(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "admin", Name: "mary.smith", Owner: "security"})
	_, err := c.Enroll(t.Context(), token, home, newCSR(t))
	require.NoError(t, err)
	require.Len(t, c.Audit("token.bootstrap"), 1)
	require.Empty(t, c.Audit("token.create"))
}

// A pattern token makes new identities, with its owner, and nothing else.
func TestPatternToken(t *testing.T) {
	c := enrolltest.New(t)
	old := enrolled(t, c, "device", "pump-1")
	pending := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-*", Uses: 10, Owner: "icu"})

	var denied *ca.DeniedError
	for name, path := range map[string]string{
		"active": "device/pump-1", "pending": "device/pump-2", "outside the pattern": "device/scale-1",
		"another role": "gateway/pump-3", "name with a dot": "device/pump-3.icu",
	} {
		_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t), path))
		require.ErrorAs(t, err, &denied, name)
	}
	var bad *ca.RequestError
	_, err := c.Enroll(t.Context(), token, home, newCSR(t))
	require.ErrorAs(t, err, &bad, "no name proposed")
	require.Len(t, c.Audit("certificate.refuse"), 6)
	require.Equal(t, 1, c.Certificates("device/pump-1"))

	key := enrolltest.NewKey(t)
	csr := enrolltest.CSR(t, key, "device/pump-3")
	cert, err := c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err)
	require.Equal(t, "icu", c.Identity("device/pump-3").Owner)
	again, err := c.Enroll(t.Context(), token, home, csr)
	require.NoError(t, err, "a lost reply, though there are uses left")
	require.Equal(t, cert.Raw, again.Raw)
	used, err := c.Store.Token(t.Context(), tokenID(t, token))
	require.NoError(t, err)
	require.Equal(t, 1, used.Uses)
	_, err = c.Enroll(t.Context(), token, home, enrolltest.CSR(t, key, "device/pump-4"))
	require.ErrorIs(t, err, store.ErrKeyTaken, "the same key under another name is no retry")

	_, err = c.Holder(t.Context(), old, home)
	require.NoError(t, err)
	_, err = c.Enroll(t.Context(), pending, home, newCSR(t))
	require.NoError(t, err)
}

// A pattern token of one use that comes back marks the identity that it made.
func TestPatternTokenReused(t *testing.T) {
	c := enrolltest.New(t)
	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-*"})
	_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t), "device/pump-1"))
	require.NoError(t, err)
	_, err = c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t), "device/pump-2"))
	require.ErrorIs(t, err, enroll.ErrReused)
	require.True(t, c.Identity("device/pump-1").Suspect)
	require.Len(t, c.Audit("token.reuse"), 1)
}

// An identity that has enrolled does so again only by a token made with Replace,
// which revokes what it holds as superseded, and answers the suspicion.
func TestReplace(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		var conflict *enroll.ConflictError
		ordinary := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		spare := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		first, err := c.Enroll(t.Context(), ordinary, home, newCSR(t))
		require.NoError(t, err)
		_, err = c.CreateToken(t.Context(), enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "pump-1"})
		require.ErrorAs(t, err, &conflict)
		var denied *ca.DeniedError
		_, err = c.Enroll(t.Context(), spare, home, newCSR(t))
		require.ErrorAs(t, err, &denied)
		_, err = c.Enroll(t.Context(), ordinary, home, newCSR(t))
		require.ErrorIs(t, err, enroll.ErrReused)
		require.True(t, c.Identity("device/pump-1").Suspect)

		replace := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
		second, err := c.Enroll(t.Context(), replace, home, newCSR(t))
		require.NoError(t, err)
		require.False(t, c.Identity("device/pump-1").Suspect)
		revocation, err := c.Store.Revocation(t.Context(), store.SerialOf(first))
		require.NoError(t, err)
		require.Equal(t, 4, revocation.Reason, "superseded")
		_, err = c.Store.Revocation(t.Context(), store.SerialOf(second))
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = renew(t, c, first, newCSR(t))
		require.ErrorAs(t, err, &denied)
		_, err = renew(t, c, second, newCSR(t))
		require.NoError(t, err)
	})
}

// Two tokens for one new identity: one enrols it, the other does not; not even at
// the same moment.
func TestTwoTokensOneIdentity(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		tokens := make([]string, 20)
		for i := range tokens {
			tokens[i] = c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		}
		certs, errs := race(len(tokens), func(i int) (*x509.Certificate, error) {
			return c.Enroll(t.Context(), tokens[i], home, newCSR(t))
		})
		require.Len(t, certs, 1)
		require.Len(t, errs, len(tokens)-1)
		require.Len(t, c.Audit("certificate.refuse"), len(errs))
		require.Equal(t, 1, c.Certificates("device/pump-1"))
	})
}
