package keys

import (
	"crypto"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.step.sm/crypto/pemutil"
)

// Write makes a file of mode 0600 that holds the key as PKCS #8, encrypted with
// AES-256-CBC under a key that PBKDF2 with HMAC-SHA-256 makes of the passphrase
// in 600,000 rounds. openssl reads it.
//
// When Write returns nil, file and directory entry are on disk. It never
// overwrites: the error then wraps [fs.ErrExist]. A crash in the middle may leave
// a file that [Open] refuses.
func Write(path string, key crypto.Signer, passphrase []byte) error {
	if len(passphrase) == 0 {
		return errors.New("writing key: passphrase is empty")
	}
	block, err := pemutil.Serialize(key, pemutil.WithPKCS8(true), pemutil.WithPassword(passphrase))
	if err != nil {
		return fmt.Errorf("writing key: cannot encode a %T", key) // pemutil's error would print the key
	}
	if err := writeNew(path, pem.EncodeToMemory(block)); err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	return nil
}

// writeNew writes a file that did not exist, and leaves none if it cannot.
func writeNew(path string, text []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
