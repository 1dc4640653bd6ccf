package keys_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/keys"
)

// A sealed secret opens under the same key after a restart, and nowhere else: not
// with another key, not under another name, not changed in any bit.
func TestSealer(t *testing.T) {
	secret := []byte("the log's master key")
	for name, key := range newKeys() {
		t.Run(name, func(t *testing.T) {
			sealer, err := keys.NewSealer(key)
			require.NoError(t, err)
			sealed := sealer.Seal("audit", secret)
			require.Len(t, sealed, len(secret)+29)
			require.False(t, bytes.Contains(sealed, secret))

			encoded, err := x509.MarshalPKCS8PrivateKey(key)
			require.NoError(t, err)
			restarted, err := x509.ParsePKCS8PrivateKey(encoded)
			require.NoError(t, err)
			again, err := keys.NewSealer(restarted.(crypto.Signer))
			require.NoError(t, err)
			require.Equal(t, sealer.Key("challenges"), again.Key("challenges"))
			require.NotEqual(t, sealer.Key("challenges"), again.Key("other"))
			require.Len(t, again.Key("other"), 32)
			got, err := again.Open("audit", sealed)
			require.NoError(t, err)
			require.Equal(t, secret, got)

			_, err = again.Open("eab", sealed)
			require.ErrorIs(t, err, keys.ErrSealed)
			other, err := keys.NewSealer(newP256())
			require.NoError(t, err)
			_, err = other.Open("audit", sealed)
			require.ErrorIs(t, err, keys.ErrSealed)
			for i := range sealed {
				damaged := bytes.Clone(sealed)
				damaged[i] ^= 1
				_, err = again.Open("audit", damaged)
				require.ErrorIs(t, err, keys.ErrSealed, "byte %d", i)
				_, err = again.Open("audit", sealed[:i])
				require.ErrorIs(t, err, keys.ErrSealed, "cut at %d", i)
			}
		})
	}
}

// Sealing the same secret twice does not tell that it is the same.
func TestSealIsRandom(t *testing.T) {
	sealer, err := keys.NewSealer(newKeys()["P-256"])
	require.NoError(t, err)
	require.NotEqual(t, sealer.Seal("a", []byte("x")), sealer.Seal("a", []byte("x")))
}

// A key that cannot leave its token seals nothing: its bytes are not there to
// derive from.
func TestSealerNeedsKey(t *testing.T) {
	_, err := keys.NewSealer(token{newKeys()["P-256"]})
	require.Error(t, err)
}
