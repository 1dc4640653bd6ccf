package keys_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/pem"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/keys"
)

// newKeys returns a key of every kind, made once.
var newKeys = sync.OnceValue(func() map[string]crypto.Signer {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[string]crypto.Signer{"P-256": newP256(), "P-384": p384, "RSA-2048": rsa2048, "Ed25519": ed}
})

func newP256() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// openssl runs the witness; without it the test is left out, but not in CI.
func openssl(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// requireSame fails unless got is the key want. The keys are not compared field by
// field: RSA's derived numbers may be kept with a leading zero or without.
func requireSame(t *testing.T, want, got crypto.Signer) {
	t.Helper()
	require.True(t, want.(interface{ Equal(crypto.PrivateKey) bool }).Equal(got), "%T is another key than %T", got, want)
}

// What Write wrote, Open reads, and nobody but the owner can.
func TestWriteOpen(t *testing.T) {
	passphrase := keys.NewPassphrase()
	for name, key := range newKeys() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ca.key")
			require.NoError(t, keys.Write(path, key, passphrase))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode())

			got, err := keys.Open("file:"+path, passphrase)
			require.NoError(t, err)
			requireSame(t, key, got)
		})
	}
}

// A key that is already there is never written over.
func TestWriteKeepsWhatIsThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.key")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o600))
	err := keys.Write(path, newKeys()["P-256"], keys.NewPassphrase())
	require.ErrorIs(t, err, fs.ErrExist)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// A key that cannot be written encrypted is not written at all.
func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	key := newKeys()["P-256"]
	require.Error(t, keys.Write(filepath.Join(dir, "a"), key, nil))
	require.Error(t, keys.Write(filepath.Join(dir, "b"), token{key}, keys.NewPassphrase()))
	require.ErrorIs(t, keys.Write(filepath.Join(dir, "no", "c"), key, keys.NewPassphrase()), fs.ErrNotExist)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// token is a key that is not in this process.
type token struct{ crypto.Signer }

// openssl reads the keys that we write, and we those that it writes: nobody is
// locked in.
func TestOpenSSL(t *testing.T) {
	dir := t.TempDir()
	passphrase := keys.NewPassphrase()
	pass := filepath.Join(dir, "passphrase")
	require.NoError(t, os.WriteFile(pass, append(passphrase, '\n'), 0o600))
	for name, key := range newKeys() {
		t.Run(name, func(t *testing.T) {
			ours, theirs := filepath.Join(dir, name+".ours"), filepath.Join(dir, name+".theirs")
			require.NoError(t, keys.Write(ours, key, passphrase))
			require.Contains(t, openssl(t, "pkey", "-in", ours, "-passin", "file:"+pass, "-noout", "-check"), "Key is valid")

			// The work that a guess of the passphrase costs is what we say: 600,000 rounds.
			structure := openssl(t, "asn1parse", "-in", ours)
			for _, want := range []string{"PBES2", "PBKDF2", ":0927C0", "hmacWithSHA256", "aes-256-cbc"} {
				require.Contains(t, structure, want)
			}

			if fips140.Enforced() {
				t.Skip("left out: openssl 3.0 salts with 64 bits, and FIPS 140 wants 128")
			}
			openssl(t, "pkcs8", "-topk8", "-in", ours, "-passin", "file:"+pass, "-out", theirs, "-passout", "pass:"+string(passphrase))
			got, err := keys.Open("file:"+theirs, passphrase)
			require.NoError(t, err)
			requireSame(t, key, got)
		})
	}
}

// What is not an encrypted key that only we can read is refused with its reason.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	passphrase := keys.NewPassphrase()
	good := filepath.Join(dir, "good")
	require.NoError(t, keys.Write(good, newKeys()["P-256"], passphrase))
	text, err := os.ReadFile(good)
	require.NoError(t, err)
	write := func(name string, text []byte, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, text, 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return "file:" + path
	}
	plain := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for _, tt := range []struct {
		name, ref  string
		passphrase []byte
		says       string
	}{
		{"no scheme", good, passphrase, "unknown scheme"},
		{"unknown scheme", "tpm:0x81000001", passphrase, "unknown scheme"},
		{"absent", "file:" + filepath.Join(dir, "absent"), passphrase, "no such file"},
		{"directory", "file:" + dir, passphrase, ""},
		{"everybody's", write("everybody", text, 0o644), passphrase, "chmod o="},
		{"not encrypted", write("plain", plain, 0o600), passphrase, "not an encrypted PKCS #8 key"},
		{"empty", write("empty", nil, 0o600), passphrase, "not an encrypted PKCS #8 key"},
		{"cut off", write("cut", text[:len(text)/2], 0o600), passphrase, keys.ErrPassphrase.Error()},
		{"lengths that do not fit", write("lengths", shorten(text), 0o600), passphrase, keys.ErrPassphrase.Error()},
		{"another passphrase", "file:" + good, keys.NewPassphrase(), keys.ErrPassphrase.Error()},
		{"two keys", write("two", append(text, text...), 0o600), passphrase, keys.ErrPassphrase.Error()},
		{"huge", write("huge", make([]byte, 1<<20), 0o600), passphrase, "longer than"},
		{"no passphrase", "file:" + good, nil, "passphrase is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := keys.Open(tt.ref, tt.passphrase)
			require.ErrorContains(t, err, tt.says)
			require.Nil(t, key)
			require.NotContains(t, err.Error(), string(passphrase))
		})
	}
}

// shorten takes a byte off the ciphertext of a key file, whose DER stays whole.
func shorten(text []byte) []byte {
	block, _ := pem.Decode(text)
	var key struct {
		Algorithm  asn1.RawValue
		Ciphertext []byte
	}
	if _, err := asn1.Unmarshal(block.Bytes, &key); err != nil {
		panic(err)
	}
	key.Ciphertext = key.Ciphertext[1:]
	der, err := asn1.Marshal(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der})
}

// A passphrase is one line of a file, or systemd's credential.
func TestReadPassphrase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for _, tt := range []struct {
		name, file string
		want       string // empty: refused
	}{
		{"plain", write("plain", "secret", 0o600), "secret"},
		{"line end", write("unix", "secret\n", 0o600), "secret"},
		{"DOS line end", write("dos", "secret\r\n", 0o600), "secret"},
		{"spaces belong to it", write("spaces", " a b \n", 0o600), " a b "},
		{"readable by its group", write("group", "secret", 0o640), "secret"},
		{"empty", write("empty", "\n", 0o600), ""},
		{"two lines", write("two", "a\nb\n", 0o600), ""},
		{"everybody's", write("everybody", "secret", 0o604), ""},
		{"absent", filepath.Join(dir, "absent"), ""},
		{"nothing configured", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := keys.ReadPassphrase(tt.file)
			require.Equal(t, tt.want, string(got))
			require.Equal(t, tt.want == "", err != nil)
		})
	}
	write("betonica.passphrase", "credential\n", 0o600)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	got, err := keys.ReadPassphrase("")
	require.NoError(t, err)
	require.Equal(t, "credential", string(got))
}

// Two passphrases are not the same, and neither needs quoting anywhere.
func TestNewPassphrase(t *testing.T) {
	a, b := string(keys.NewPassphrase()), string(keys.NewPassphrase())
	require.NotEqual(t, a, b)
	require.Len(t, a, 26)
	require.Empty(t, strings.Trim(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
}
