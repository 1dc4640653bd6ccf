package est_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

const serverKeys = `
[role.device]
[role.infusion]
server_keys = true
`

// Where the role allows it a key is made, of the kind that was asked with, and comes
// with its certificate; it is not the one of the request.
func TestServerKey(t *testing.T) {
	w := newWorld(t, serverKeys)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	for name, key := range map[string]crypto.Signer{"pump-ec": enrolltest.NewKey(t), "pump-rsa": rsaKey} {
		csr := enrolltest.CSR(t, key)
		token := w.Token(enroll.TokenRequest{Role: "infusion", Name: name})
		got := w.post(w.client(0), "serverkeygen", token, csr)
		made, cert := keyAndCertificate(t, got)
		require.Equal(t, made.Public(), cert.PublicKey)
		require.NotEqual(t, key.Public(), cert.PublicKey)
		require.IsType(t, key.Public(), cert.PublicKey)
		require.Equal(t, "/infusion/"+name, cert.URIs[0].Path)
		require.Equal(t, int64(len(got.body)), got.ContentLength)
	}
}

// keyAndCertificate reads both parts (RFC 7030, Section 4.4.2).
func keyAndCertificate(t *testing.T, got exchange) (crypto.Signer, *x509.Certificate) {
	t.Helper()
	require.Equal(t, http.StatusOK, got.StatusCode, string(got.body))
	media, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/mixed", media)
	parts := multipart.NewReader(strings.NewReader(string(got.body)), params["boundary"])
	next := func(want string) []byte {
		part, err := parts.NextPart()
		require.NoError(t, err)
		require.Equal(t, want, part.Header.Get("Content-Type"))
		require.Equal(t, "base64", part.Header.Get("Content-Transfer-Encoding"))
		text, err := io.ReadAll(part)
		require.NoError(t, err)
		der, err := base64.StdEncoding.DecodeString(string(text))
		require.NoError(t, err)
		return der
	}
	key, err := x509.ParsePKCS8PrivateKey(next("application/pkcs8"))
	require.NoError(t, err)
	message, err := pkcs7.Parse(next("application/pkcs7-mime; smime-type=certs-only"))
	require.NoError(t, err)
	_, err = parts.NextPart()
	require.Equal(t, io.EOF, err)
	return key.(crypto.Signer), message.Certificates[0]
}

// No role allows it unless it says so; and a stranger has none made.
func TestServerKeyRefused(t *testing.T) {
	w := newWorld(t, serverKeys)
	csr := enrolltest.CSR(t, enrolltest.NewKey(t))
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	for path, want := range map[string]int{"device/serverkeygen": http.StatusForbidden, "serverkeygen": http.StatusForbidden} {
		got := w.post(w.client(0), path, token, csr)
		require.Equal(t, want, got.StatusCode, path)
	}
	w.post(w.client(0), "simpleenroll", token, csr).leaf(t) // it is unspent
	require.Equal(t, http.StatusUnauthorized, w.post(w.client(0), "infusion/serverkeygen", "", csr).StatusCode)
	off := newWorld(t, "")
	require.Equal(t, http.StatusForbidden, off.post(off.client(0), "serverkeygen", "", csr).StatusCode)
}
