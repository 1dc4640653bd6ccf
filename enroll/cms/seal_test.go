package cms_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/cms"
)

// certify returns a certificate of the key, made by somebody.
func certify(t *testing.T, key crypto.Signer) *x509.Certificate {
	t.Helper()
	_, by, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 << 40), Subject: pkix.Name{CommonName: "device"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), by)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// What is encrypted to a key of any kind that is taken, openssl decrypts with that key and
// with no other one.
func TestSeal(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		require.Empty(t, os.Getenv("CI"), "openssl is missing")
		t.Skip("left out: no openssl")
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"RSA": rsaKey}
	if fips140.Enforced() { // RSAES-PKCS1-v1_5, which EST and SCEP clients with RSA keys want, is not approved
		_, err := cms.Seal(nil, cms.SignedData, certify(t, rsaKey), cms.AES256CBC)
		require.Error(t, err)
		delete(keys, "RSA")
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		keys[curve.Params().Name], err = ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, key := range keys {
		for _, by := range []asn1.ObjectIdentifier{cms.AES128CBC, cms.AES256CBC} {
			for _, content := range []string{"", "a secret", strings.Repeat("x", 16), strings.Repeat("x", 4096)} {
				cert := certify(t, key)
				sealed, err := cms.Seal([]byte(content), cms.SignedData, cert, by)
				require.NoError(t, err)
				got, err := decrypt(t, sealed, cert, key)
				require.NoError(t, err, name)
				require.Equal(t, content, string(got))
			}
		}
	}
	cert := certify(t, keys["P-256"])
	sealed, err := cms.Seal([]byte("a secret"), cms.Data, cert, cms.AES256CBC)
	require.NoError(t, err)
	_, err = decrypt(t, sealed, cert, other)
	require.Error(t, err)
}

func decrypt(t *testing.T, sealed []byte, cert *x509.Certificate, key crypto.Signer) ([]byte, error) {
	t.Helper()
	dir := t.TempDir()
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: cert.Raw}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sealed"), sealed, 0o600))
	cmd := exec.CommandContext(t.Context(), "openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-recip", "cert", "-inkey", "key")
	cmd.Dir = dir
	return cmd.Output()
}

// Nothing is encrypted to a key that is too weak, or cannot be encrypted to.
func TestTransport(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("left out: it makes keys that FIPS 140 does not let be made")
	}
	_, signing, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for name, key := range map[string]crypto.Signer{"Ed25519": signing, "P-224": p224, "RSA-1024": small} {
		_, err := cms.Transport(certify(t, key))
		require.ErrorIs(t, err, cms.ErrKey, name)
		_, err = cms.Seal([]byte("x"), cms.Data, certify(t, key), cms.AES256CBC)
		require.ErrorIs(t, err, cms.ErrKey, name)
	}
}
