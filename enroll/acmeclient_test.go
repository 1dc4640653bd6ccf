package enroll_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A client is an ACME client, after its JWS were verified: it does with the funnel
// what the protocol does for it.
type client struct {
	t *testing.T
	*enrolltest.CA
	key *ecdsa.PrivateKey
	acc store.Account
}

// accountKey is what is known of an account's key. The thumbprint is no JWK's: no
// one here asks.
func accountKey(t *testing.T, key crypto.Signer) enroll.AccountKey {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return enroll.AccountKey{Thumbprint: sha256.Sum256(append([]byte("jwk"), spki...)), SPKI: sha256.Sum256(spki), JWK: []byte("{}")}
}

// external is the account that a token's key identifier refers to, once a binding
// was signed with its key.
func external(t *testing.T, c *enrolltest.CA, token string) *enroll.ExternalAccount {
	t.Helper()
	parsed, err := api.ParseToken(token)
	require.NoError(t, err)
	e, err := c.ExternalKey(t.Context(), tokenID(t, token).String(), home)
	require.NoError(t, err)
	require.Equal(t, parsed.Secret[:], e.Key())
	return e
}

// eab makes a token for an identity, bind an account by it, unbound one without.
func eab(c *enrolltest.CA, role, name string) string {
	return c.Token(enroll.TokenRequest{Role: role, Name: name, EAB: true})
}

func bind(t *testing.T, c *enrolltest.CA, token string) *client {
	t.Helper()
	return newClient(t, c, external(t, c, token))
}

func unbound(t *testing.T, c *enrolltest.CA) *client {
	t.Helper()
	return newClient(t, c, nil)
}

func newClient(t *testing.T, c *enrolltest.CA, external *enroll.ExternalAccount) *client {
	t.Helper()
	key := enrolltest.NewKey(t)
	acc, err := c.CreateAccount(t.Context(), enroll.NewAccount{Key: accountKey(t, key), External: external, From: home})
	require.NoError(t, err)
	return &client{t, c, key, acc}
}

func dns(name string) store.OrderIdentifier {
	domain, wildcard := strings.CutPrefix(name, "*.")
	return store.OrderIdentifier{Identifier: store.Identifier{Type: "dns", Value: domain}, Wildcard: wildcard}
}

func ip(addr string) store.OrderIdentifier {
	return store.OrderIdentifier{Identifier: store.Identifier{Type: "ip", Value: addr}}
}

func permanent(name string) store.OrderIdentifier {
	return store.OrderIdentifier{Identifier: store.Identifier{Type: "permanent-identifier", Value: name}}
}

// held is the account as it is now.
func (c *client) held() store.HeldAccount {
	c.t.Helper()
	acc, err := c.Store.HeldAccount(c.t.Context(), c.acc.ID)
	require.NoError(c.t, err)
	return acc
}

// order makes an order for the identifiers, in role "device" if the account is
// unbound. Those that are not covered are validated.
func (c *client) order(ids ...store.OrderIdentifier) store.OrderID {
	c.t.Helper()
	return c.attested(nil, ids...)
}

// attested makes an order whose permanent identifiers are attested with the key.
func (c *client) attested(key crypto.Signer, ids ...store.OrderIdentifier) store.OrderID {
	c.t.Helper()
	b, err := c.Binding(c.t.Context(), c.held(), "", "device", ids, home)
	require.NoError(c.t, err)
	o := store.Order{ID: store.NewOrderID(), Account: c.acc.ID, Identity: b.Path(), Identifiers: ids, Expires: c.Now().Add(time.Hour)}
	var fresh []store.Authorization
	for _, id := range ids {
		a := store.Authorization{
			ID: store.NewAuthorizationID(), Account: c.acc.ID, Identifier: id.Identifier, Wildcard: id.Wildcard,
			Status: store.AuthorizationValid, Expires: c.Now().Add(time.Hour),
		}
		if !b.Covered(id) {
			a.Token = "token" // it had challenges, and one was met
		}
		if id.Type == "permanent-identifier" && key != nil {
			spki := accountKey(c.t, key).SPKI
			a.SPKI = spki[:]
		}
		fresh = append(fresh, a)
		o.Authorizations = append(o.Authorizations, a.ID)
	}
	require.NoError(c.t, c.Store.Relaxed(c.t.Context(), func(tx *store.RelaxedTx) { tx.InsertOrder(o, fresh) }))
	return o.ID
}

// finalize finalizes the order with a CSR.
func (c *client) finalize(id store.OrderID, csr []byte) (*x509.Certificate, error) {
	c.t.Helper()
	o, authz, err := c.Store.OrderWithAuthorizations(c.t.Context(), id)
	require.NoError(c.t, err)
	return c.Finalize(c.t.Context(), c.held(), o, authz, csr, home)
}

// issue does an order for the identifiers, with a new key.
func (c *client) issue(ids ...store.OrderIdentifier) *x509.Certificate {
	c.t.Helper()
	cert, err := c.finalize(c.order(ids...), csrFor(c.t, enrolltest.NewKey(c.t), "", ids...))
	require.NoError(c.t, err)
	return cert
}

// csrFor asks for the identifiers as an ACME client does.
func csrFor(t *testing.T, key crypto.Signer, cn string, ids ...store.OrderIdentifier) []byte {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}}
	for _, id := range ids {
		switch {
		case id.Type == "ip":
			template.IPAddresses = append(template.IPAddresses, net.IP(netip.MustParseAddr(id.Value).AsSlice()))
		case id.Wildcard:
			template.DNSNames = append(template.DNSNames, "*."+id.Value)
		case id.Type == "dns":
			template.DNSNames = append(template.DNSNames, id.Value)
		}
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	require.NoError(t, err)
	return csr
}

// setPolicy puts a policy in force.
func setPolicy(t *testing.T, c *enrolltest.CA, text string) {
	t.Helper()
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
	require.NoError(t, err)
}

// text is everything that the log says.
func text(entries []audit.Entry) string { return fmt.Sprintf("%+v", entries) }

// revokeIdentity makes the identity a tombstone.
func revokeIdentity(t *testing.T, c *enrolltest.CA, path string) {
	t.Helper()
	alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
		_, err := tx.RevokeIdentity(ctx, path, 1)
		return err
	})
}
