package keys

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"go.step.sm/crypto/pemutil"
)

// maxFile bounds a key or passphrase file, in bytes; RSA-8192 takes 6,500.
const maxFile = 64 << 10

// ErrPassphrase is what [Open] wraps when the passphrase does not open the key.
// The encryption carries no checksum, so a file that was damaged looks the same.
var ErrPassphrase = errors.New("wrong passphrase, or a damaged key file")

// tokenScheme begins the reference of a key in a token.
const tokenScheme = "pkcs11:"

// InToken says whether a reference is one of a key in a token.
func InToken(ref string) bool { return strings.HasPrefix(ref, tokenScheme) }

// Open returns the private key that ref names.
//
// "file:PATH" is a PEM file of encrypted PKCS #8 such as [Write] and "openssl pkcs8
// -topk8" make. The key is then in memory, until the process ends.
//
// "pkcs11:..." is a key in a token, as RFC 7512 names it; the signer is a [*TokenKey],
// and the passphrase is not for it: see there for the PIN.
//
// It returns an error wrapping [ErrPassphrase] or [fs.ErrNotExist] where that is
// the matter, and refuses a file that everybody can read and a key that is not
// encrypted.
func Open(ref string, passphrase []byte) (crypto.Signer, error) {
	if text, ok := strings.CutPrefix(ref, tokenScheme); ok {
		r, err := parseReference(text)
		if err != nil {
			return nil, err
		}
		key, err := openToken(r)
		if err != nil { // and not a nil *TokenKey
			return nil, err
		}
		return key, nil
	}
	path, ok := strings.CutPrefix(ref, "file:")
	if !ok {
		return nil, errors.New(`key reference: unknown scheme; there is "file:PATH" and "pkcs11:..."`)
	}
	text, err := ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("opening key: %w", err)
	}
	key, err := decrypt(text, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening key %s: %w", path, err)
	}
	return key, nil
}

// decrypt parses the only PEM block of text.
func decrypt(text, passphrase []byte) (signer crypto.Signer, err error) {
	if !strings.Contains(string(text), "-----BEGIN ENCRYPTED PRIVATE KEY-----") {
		return nil, errors.New("not an encrypted PKCS #8 key in PEM (openssl pkcs8 -topk8 makes one)")
	}
	if len(passphrase) == 0 {
		return nil, errors.New("passphrase is empty")
	}
	defer func() { // pemutil panics where a file's lengths do not fit its cipher
		if recover() != nil {
			signer, err = nil, ErrPassphrase
		}
	}()
	key, err := pemutil.Parse(text, pemutil.WithPassword(passphrase))
	if err != nil {
		return nil, ErrPassphrase // what it says of a key decrypted to noise would only confuse
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}

// ReadFile reads a file with a secret in it: at most 64 KiB. One that everybody can read is
// an error.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: everybody could use it (chmod o= %s)", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("longer than %d bytes", maxFile)}
	}
	return text, nil
}
