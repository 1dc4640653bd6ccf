//go:build !windows

package key

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	legacy "github.com/google/go-tpm/legacy/tpm2"
	"go.step.sm/crypto/tpm/tss2"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// attestationFile is where the attestation key is, in the TPM's directory, with the
// certificates that the CA gave it behind it.
const attestationFile = "attestation.pem"

// An attestationKey signs only what its TPM says.
type attestationKey struct {
	wrapped *tss2.TPMKey
	chain   []*x509.Certificate // empty: the CA does not know it yet
}

// attestationKey returns the attestation key, and makes one if there is none that the TPM
// knows: it has been cleared, or this is another.
func (t *TPM) attestationKey() (*attestationKey, error) {
	text, err := os.ReadFile(filepath.Join(t.dir, attestationFile))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return t.newAttestationKey()
		}
		return nil, err
	}
	wrapped, rest, err := parse(text)
	if err != nil {
		return t.newAttestationKey() // somebody wrote over it
	}
	known := false
	if err := t.use(func(rw io.ReadWriter) error {
		handle, err := load(rw, wrapped)
		if known = err == nil; known {
			flush(rw, handle)
			return nil
		}
		_, err = legacy.GetManufacturer(rw) // it may know the key when it answers again
		return err
	}); err != nil {
		return nil, fmt.Errorf("asking the TPM what it is: %w", err)
	}
	if !known {
		return t.newAttestationKey()
	}
	ak := &attestationKey{wrapped: wrapped}
	if len(bytes.TrimSpace(rest)) > 0 {
		if ak.chain, err = client.ParseCertificates(rest); err != nil {
			ak.chain = nil // the CA gives it another
		}
	}
	return ak, nil
}

func (t *TPM) newAttestationKey() (*attestationKey, error) {
	ak := new(attestationKey)
	if err := t.use(func(rw io.ReadWriter) (err error) {
		ak.wrapped, err = create(rw, attests)
		return err
	}); err != nil {
		return nil, fmt.Errorf("making an attestation key in the TPM: %w", err)
	}
	return ak, t.keep(ak)
}

// keep puts the attestation key into its file: after a loss of power that has the one of
// before or this one.
func (t *TPM) keep(ak *attestationKey) (err error) {
	text, err := ak.wrapped.EncodeToMemory()
	if err != nil {
		return err
	}
	for _, cert := range ak.chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(t.dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(t.dir, attestationFile))
}

// certify has the attestation key sign what the TPM says of key (TPM2_Certify).
func (ak *attestationKey) certify(rw io.ReadWriter, key *signer, qualifying []byte, at *api.Attestation) error {
	by, err := load(rw, ak.wrapped)
	if err != nil {
		return fmt.Errorf("loading the attestation key: %w", err)
	}
	defer flush(rw, by)
	signed, err := load(rw, key.wrapped)
	if err != nil {
		return fmt.Errorf("loading the key: %w", err)
	}
	defer flush(rw, signed)
	at.CertInfo, at.Signature, err = legacy.CertifyEx(rw, "", "", signed, by, qualifying, legacy.SigScheme{Alg: legacy.AlgRSASSA, Hash: legacy.AlgSHA256})
	at.PubArea = key.wrapped.PublicKey[2:] // parse saw to its length
	return err
}
