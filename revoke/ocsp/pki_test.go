package ocsp_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// now is what the clock shows in these tests.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// A party is a certificate and its key.
type party struct {
	*x509.Certificate
	crypto.Signer
}

// key returns the P-256 key number n: the same one in every process, since fuzzing
// runs in several.
func key(t testing.TB, n byte) crypto.Signer {
	raw := make([]byte, 32)
	raw[0], raw[31] = 0x42, n
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	require.NoError(t, err)
	return k
}

// issue makes a certificate named after its serial number; a nil issuer signs itself.
func issue(t testing.TB, issuer *party, signer crypto.Signer, serial int64, edit func(*x509.Certificate)) party {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "party " + big.NewInt(serial).String()},
		NotBefore:    now.AddDate(-1, 0, 0), // foreign programs look at a clock of their own
		NotAfter:     now.AddDate(50, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	if edit != nil {
		edit(template)
	}
	parent, by := template, signer
	if issuer != nil {
		parent, by = issuer.Certificate, issuer.Signer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, signer.Public(), by)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return party{Certificate: certificate, Signer: signer}
}

func aCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
}

func aResponder(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	c.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}}}
}

func aClient(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

// A pki is an issuer, its responder and one of its leaves.
type pki struct {
	issuer, responder, leaf party
	names                   *ocsp.Issuer
}

func newPKI(t testing.TB) pki {
	p := pki{issuer: issue(t, nil, key(t, 1), 1, aCA)}
	p.responder = issue(t, &p.issuer, key(t, 2), 2, aResponder)
	p.leaf = issue(t, &p.issuer, key(t, 3), 3, aClient)
	var err error
	p.names, err = ocsp.NewIssuer(p.issuer.Certificate)
	require.NoError(t, err)
	return p
}

// ask returns a request for the leaf.
func (p pki) ask(t testing.TB, nonce []byte) *ocsp.Request {
	q, err := p.names.NewRequest(p.leaf.SerialNumber.Bytes(), nonce)
	require.NoError(t, err)
	return q
}

func good(id ocsp.CertID) ocsp.SingleResponse {
	return ocsp.SingleResponse{
		ID: id, Status: ocsp.Good,
		ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Minute),
	}
}

func sign(t testing.TB, by party, p ocsp.Response) []byte {
	r, err := ocsp.NewResponder(by.Certificate, by.Signer)
	require.NoError(t, err)
	der, err := r.Sign(p)
	require.NoError(t, err)
	return der
}

// witness runs a foreign program and returns what it said. A machine without the
// program leaves the test out, aloud; where everything has to be there it fails.
func witness(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(name + " is not installed")
		}
		t.Skip(name + " is not installed")
	}
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", name, args, out)
	return string(out)
}
