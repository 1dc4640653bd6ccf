package main

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// A layout is a CA's folder: where each file lies. The configuration may move
// some of them elsewhere (package server).
type layout string

func (d layout) config() string          { return filepath.Join(string(d), "betonica.toml") }
func (d layout) policy() string          { return filepath.Join(string(d), "policy.toml") }
func (d layout) lock() string            { return filepath.Join(string(d), "betonica.lock") }
func (d layout) database() string        { return filepath.Join(string(d), "betonica.db") }
func (d layout) evidence() string        { return filepath.Join(string(d), "evidence.log") }
func (d layout) keys() string            { return filepath.Join(string(d), "keys") }
func (d layout) rootCertificate() string { return filepath.Join(string(d), "keys", "root.pem") }
func (d layout) intermediate() string    { return filepath.Join(string(d), "keys", "intermediate.pem") }
func (d layout) key() string             { return filepath.Join(string(d), "keys", "intermediate.key") }

// logKey is the audit log's master secret, sealed under the intermediate's key.
func (d layout) logKey() string { return filepath.Join(string(d), "keys", "log.key") }

// What the root said in its last ceremony: its own revocation list, and a
// responder that answers in its name, whose key is sealed under the
// intermediate's.
func (d layout) rootCRL() string       { return filepath.Join(string(d), "keys", "root.crl") }
func (d layout) rootResponder() string { return filepath.Join(string(d), "keys", "root-ocsp.pem") }
func (d layout) rootOCSPKey() string   { return filepath.Join(string(d), "keys", "root-ocsp.key") }

// layoutOf returns the layout of the folder that --dir names.
func layoutOf(dir string) (layout, error) {
	abs, err := filepath.Abs(dir)
	return layout(abs), err
}

// writeFile writes a new file, of mode 0600, and has it on disk before it
// returns.
func writeFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir has the names in a folder on disk.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func encodeCertificate(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// readCertificate reads a file that encodeCertificate wrote.
func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) > 0 {
		return nil, fmt.Errorf("%s does not hold exactly one certificate", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}

// fingerprint is the SHA-256 of a certificate, in hex.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}
