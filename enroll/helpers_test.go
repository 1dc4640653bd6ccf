package enroll_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

func tokenID(t *testing.T, text string) store.TokenID {
	t.Helper()
	token, err := api.ParseToken(text)
	require.NoError(t, err)
	return store.TokenID(token.ID())
}

// weakCSR is for an RSA key of 1024 bits.
func weakCSR(t *testing.T) []byte {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	return enrolltest.CSR(t, key)
}

func dnsCSR(t *testing.T, key crypto.Signer, names ...string) []byte {
	t.Helper()
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	require.NoError(t, err)
	return csr
}

// enrolled returns a first certificate of an identity.
func enrolled(t *testing.T, c *enrolltest.CA, role, name string) *x509.Certificate {
	t.Helper()
	token := c.Token(enroll.TokenRequest{Role: role, Name: name})
	cert, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	return cert
}

// A faultyProof is a token that does not exist, whose bearer hangs up.
type faultyProof struct {
	token  store.TokenID
	hangUp func()
}

func (p *faultyProof) String() string { return "token:" + p.token.String() }

func (p *faultyProof) Settle(tx *store.Tx, _ *store.Certificate) { tx.SpendToken(p.token) }

func (p *faultyProof) Unmet(_ context.Context, _ [32]byte, err error) (*x509.Certificate, error) {
	p.hangUp()
	return nil, err
}

// eachEngine runs f on a new CA on each engine.
func eachEngine(t *testing.T, f func(t *testing.T, c *enrolltest.CA)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) { f(t, enrolltest.Open(t, dsn)) })
}
