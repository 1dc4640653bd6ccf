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
func (d layout) storeID() string         { return filepath.Join(string(d), "store.id") } // the store's name, repeated: another one in its place shows
func (d layout) keys() string            { return filepath.Join(string(d), "keys") }
func (d layout) rootCertificate() string { return filepath.Join(string(d), "keys", "root.pem") }
func (d layout) intermediate() string    { return filepath.Join(string(d), "keys", "intermediate.pem") }
func (d layout) key() string             { return filepath.Join(string(d), "keys", "intermediate.key") }

// logKey is the audit log's master secret, sealed under the intermediate's key.
func (d layout) logKey() string { return filepath.Join(string(d), "keys", "log.key") }

// sealingKey seals the CA's other secrets where the intermediate's key lies in a token.
func (d layout) sealingKey() string { return filepath.Join(string(d), "keys", "sealing.key") }

// roster is which intermediates there are, once there is more than one; a lock keeps
// those apart who write it.
func (d layout) roster() string     { return filepath.Join(string(d), "keys", "issuers.json") }
func (d layout) rosterLock() string { return filepath.Join(string(d), "keys", "issuers.lock") }

// What the root said in its last ceremony: its own revocation list, and a
// responder that answers in its name, with its key, sealed under the first
// intermediate's. CAs of before have that key in a file of its own.
func (d layout) rootCRL() string       { return filepath.Join(string(d), "keys", "root.crl") }
func (d layout) rootResponder() string { return filepath.Join(string(d), "keys", "root-ocsp.pem") }
func (d layout) rootOCSPKey() string   { return filepath.Join(string(d), "keys", "root-ocsp.key") }

// scepKey is where CAs of before have the key that SCEP clients of a role encrypt to, sealed
// as the log's is. It lies in the store now.
func (d layout) scepKey(role string) string {
	return filepath.Join(string(d), "keys", "scep-"+role+".key")
}

// inKeys is a file in keys/.
func (d layout) inKeys(name string) string { return filepath.Join(string(d), "keys", name) }

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
	cert, rest, err := decodeCertificate(text)
	if err == nil && len(rest) > 0 {
		err = errors.New("something follows the certificate")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}

// decodeCertificate decodes the certificate that the text begins with.
func decodeCertificate(text []byte) (cert *x509.Certificate, rest []byte, err error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, nil, errors.New("it does not hold a certificate")
	}
	cert, err = x509.ParseCertificate(block.Bytes)
	return cert, rest, err
}

// fingerprint is the SHA-256 of a certificate, in hex.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}
