package acme_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"testing"

	"github.com/stretchr/testify/require"
)

// signature signs as RFC 7518, Section 3 says for such a key: PKCS #1 v1.5 for
// RSA, and HMAC for bytes; with keys, too, that FIPS 140-3 has none sign with.
func signature(t *testing.T, key any, input string) (b []byte) {
	t.Helper()
	fips140.WithoutEnforcement(func() { b = sign(t, key, input) })
	return b
}

func sign(t *testing.T, key any, input string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		digest := sum[:]
		switch key.Params().BitSize {
		case 384:
			digest384 := sha512.Sum384([]byte(input))
			digest = digest384[:]
		case 521:
			digest512 := sha512.Sum512([]byte(input))
			digest = digest512[:]
		}
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		require.NoError(t, err)
		size := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case *rsa.PrivateKey:
		sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		require.NoError(t, err)
		return sig
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(input))
	case []byte:
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	case nil:
		return nil
	}
	require.FailNow(t, "no such key")
	return nil
}
