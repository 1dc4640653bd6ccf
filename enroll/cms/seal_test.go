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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/cms"
)

// certify returns a certificate of the key, made by somebody.
func certify(t *testing.T, key crypto.PublicKey) *x509.Certificate {
	t.Helper()
	_, by, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 << 40), Subject: pkix.Name{CommonName: "device"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key, by)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// What is encrypted to a key of any kind that is taken, by every way to hand it over,
// openssl decrypts with that key and with no other one.
func TestSeal(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		require.Empty(t, os.Getenv("CI"), "openssl is missing")
		t.Skip("left out: no openssl")
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"RSA": rsaKey}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		keys[curve.Params().Name], err = ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, key := range keys {
		cert := certify(t, key.Public())
		transports, err := cms.Transports(cert)
		require.NoError(t, err)
		for _, transport := range transports {
			for _, by := range []asn1.ObjectIdentifier{cms.AES128CBC, cms.AES256CBC} {
				for _, content := range []string{"", "a secret", strings.Repeat("x", 16), strings.Repeat("x", 4096)} {
					sealed, err := cms.Seal([]byte(content), cms.SignedData, cert, transport, by)
					require.NoError(t, err)
					got, err := decrypt(t, sealed, cert, key)
					require.NoError(t, err, "%s by %s", name, transport)
					require.Equal(t, content, string(got))
				}
			}
		}
	}
	cert := certify(t, keys["P-256"].Public())
	sealed, err := cms.Seal([]byte("a secret"), cms.Data, cert, cms.ECDHSHA256, cms.AES256CBC)
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

// Keys go to RSA by OAEP rather than by PKCS #1 v1.5, which there is not in FIPS 140-3 mode;
// and in no way that is of another kind of key.
func TestTransports(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := func(key crypto.Signer) []asn1.ObjectIdentifier {
		all, err := cms.Transports(certify(t, key.Public()))
		require.NoError(t, err)
		return all
	}
	want := []asn1.ObjectIdentifier{cms.RSAESOAEP, cms.RSAEncryption}
	if fips140.Enabled() {
		want = want[:1]
	}
	require.Equal(t, want, of(rsaKey))
	require.Equal(t, []asn1.ObjectIdentifier{cms.ECDHSHA256}, of(curve))
	refused := func(key crypto.Signer, transport asn1.ObjectIdentifier) {
		t.Helper()
		_, err := cms.Seal([]byte("x"), cms.Data, certify(t, key.Public()), transport, cms.AES256CBC)
		require.ErrorIs(t, err, cms.ErrTransport)
	}
	refused(rsaKey, cms.ECDHSHA256)
	refused(curve, cms.RSAESOAEP)
	refused(curve, nil)
	if fips140.Enabled() {
		refused(rsaKey, cms.RSAEncryption)
	}
}

// Nothing is encrypted to a key that is too weak, or cannot be encrypted to.
func TestNoTransport(t *testing.T) {
	signing, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	base := elliptic.P224().Params()
	p224, err := ecdsa.ParseUncompressedPublicKey(elliptic.P224(), slices.Concat([]byte{4}, base.Gx.FillBytes(make([]byte, 28)), base.Gy.FillBytes(make([]byte, 28))))
	require.NoError(t, err)
	for name, key := range map[string]crypto.PublicKey{
		"Ed25519":  signing,
		"P-224":    p224,
		"RSA-1024": &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537},
	} {
		cert := certify(t, key)
		_, err := cms.Transports(cert)
		require.ErrorIs(t, err, cms.ErrKey, name)
		for _, transport := range []asn1.ObjectIdentifier{cms.RSAESOAEP, cms.RSAEncryption, cms.ECDHSHA256} {
			_, err = cms.Seal([]byte("x"), cms.Data, cert, transport, cms.AES256CBC)
			require.ErrorIs(t, err, cms.ErrKey, name)
		}
	}
}
