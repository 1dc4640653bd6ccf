package store

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/betonica/betonica/store/audit/checkpoint"
)

// SignManifest returns text as a note that the log's key has signed (C2SP signed-note),
// for files that people take with them. What could be read as a checkpoint it refuses: only
// the log itself says how long it is.
func (d *DB) SignManifest(text string) (string, error) {
	first, _, _ := strings.Cut(text, "\n")
	if first == d.cfg.Origin || !strings.HasSuffix(text, "\n") {
		return "", errors.New("signing a manifest: it reads as a checkpoint, or ends within a line")
	}
	signed, err := note.Sign(&note.Note{Text: text}, d.log.signer)
	if err != nil {
		return "", fmt.Errorf("signing a manifest: %w", err)
	}
	if v, err := d.verifier(); err != nil {
		return "", err
	} else if _, err := checkpoint.Open(string(signed), v); err == nil {
		return "", errors.New("signing a manifest: it reads as a checkpoint")
	}
	return string(signed), nil
}

// LogKeyPEM returns the public key of the log's signatures as openssl reads it.
func (d *DB) LogKeyPEM() ([]byte, error) {
	key, err := d.VerifierKey()
	if err != nil {
		return nil, err
	}
	public, err := checkpoint.PublicKey(key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encoding the log's key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
