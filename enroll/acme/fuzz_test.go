package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// seed is a JWS that verifies under key.
func seed(f *testing.F, key any, alg jose.SignatureAlgorithm, payload string) []byte {
	f.Helper()
	options := (&jose.SignerOptions{EmbedJWK: alg != jose.HS256}).WithHeader("nonce", "x").WithHeader("url", "https://ca.example/acme/new-account")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	require.NoError(f, err)
	signed, err := signer.Sign([]byte(payload))
	require.NoError(f, err)
	return []byte(signed.FullSerialize())
}

// Whatever the body is, it is read or refused with a problem that repeats none of
// it; what is read is signed by a listed algorithm, and nothing verifies under a
// key that did not sign it.
func FuzzJWS(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	f.Add(seed(f, key, jose.ES256, `{"contact":[]}`))
	f.Add([]byte(`{"protected":"e30","payload":"","signature":""}`))
	f.Add([]byte(`{"protected":"eyJhbGciOiJub25lIn0","payload":"","signature":"","header":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		j, err := parseJWS(body, accountAlgorithms)
		if err != nil {
			p, ok := errors.AsType[*problem](err)
			require.True(t, ok)
			require.Equal(t, 400, p.Status)
			return
		}
		require.Contains(t, accountAlgorithms, j.header.Algorithm)
		require.Error(t, j.verify(&stranger.PublicKey))
		if public, err := j.publicKey(); err == nil {
			_, err := public.record()
			require.NoError(t, err)
			_ = j.verify(public.public)
		}
	})
}

// An external account binding is signed with HS256 and nothing else, and verifies
// under no other key.
func FuzzExternalAccountBinding(f *testing.F) {
	secret := bytes.Repeat([]byte("k"), 32)
	f.Add(seed(f, secret, jose.HS256, `{"kty":"EC"}`))
	f.Add([]byte(`{"protected":"eyJhbGciOiJIUzI1NiJ9","payload":"e30","signature":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		j, err := parseJWS(body, bindingAlgorithms)
		if err != nil {
			_, ok := errors.AsType[*problem](err)
			require.True(t, ok)
			return
		}
		require.Equal(t, jose.HS256, j.header.Algorithm)
		require.Error(t, j.verify(bytes.Repeat([]byte("x"), 32)))
		_, _ = parseKey(j.payload)
	})
}

// There is one way to write a certificate's identifier: what is read is written
// the same.
func FuzzCertID(f *testing.F) {
	issuer := bytes.Repeat([]byte{0x69}, 20)
	aki := base64.RawURLEncoding.EncodeToString(issuer)
	for _, number := range []string{"AQ", "AIA", "gA", "AAE", "AZ8NVZkqAQIDBAUGBwgJCg", "", "AR==", "A\nQ"} {
		f.Add(aki + "." + number)
	}
	f.Add(aki[:5] + "\n" + aki[5:] + ".AQ")
	f.Add("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE") // RFC 9773, Section 4.1
	f.Fuzz(func(t *testing.T, text string) {
		serial, ok := parseCertID(text, issuer)
		if ok {
			require.Equal(t, text, certID(serial, issuer))
		}
	})
}

// The example of RFC 9773, Section 4.1 is read: its serial number is 87:65:43:21.
func TestCertID(t *testing.T) {
	const example = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
	left, _, _ := strings.Cut(example, ".")
	issuer, err := base64.RawURLEncoding.DecodeString(left)
	require.NoError(t, err)
	serial, ok := parseCertID(example, issuer)
	require.True(t, ok)
	require.Equal(t, strings.Repeat("0", 24)+"87654321", serial.String())
	require.Equal(t, example, certID(serial, issuer))
	_, ok = parseCertID(left+".h2VDIQ", issuer)
	require.False(t, ok, "a negative number")
}
