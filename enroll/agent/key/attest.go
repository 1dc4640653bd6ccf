//go:build !windows

package key

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// Attest has the TPM attest key, one of its own, for a certificate request in PEM that is
// about to be sent to ca. If the CA does not know the attestation key, or not any more,
// it is made known first; a token says whose the TPM is, if the CA's inventory does not.
// Each call makes an attestation for one request.
func (t *TPM) Attest(ctx context.Context, ca *client.Client, token *api.JoinToken, key crypto.Signer, csr []byte) (*api.Attestation, error) {
	own, ok := key.(*signer)
	if !ok {
		return nil, errors.New("the key is not one of the TPM's")
	}
	block, _ := pem.Decode(csr)
	if block == nil {
		return nil, errors.New("the certificate request is not PEM")
	}
	t.attesting.Lock()
	defer t.attesting.Unlock()
	ak, nonce, err := t.introduced(ctx, ca, token)
	if err != nil {
		return nil, err
	}
	at := &api.Attestation{Nonce: nonce, Algorithm: -257} // RSASSA with SHA-256, as attestation keys are made
	for _, cert := range ak.chain {
		at.X5C = append(at.X5C, cert.Raw)
	}
	qualifying := sha256.Sum256([]byte(api.AttestationText(nonce, block.Bytes)))
	if err := t.use(func(rw io.ReadWriter) error { return ak.certify(rw, own, qualifying[:], at) }); err != nil {
		return nil, fmt.Errorf("having the TPM attest the key: %w", err)
	}
	return at, nil
}

// introduced returns the attestation key, which the CA knows then, and a nonce for it.
func (t *TPM) introduced(ctx context.Context, ca *client.Client, token *api.JoinToken) (*attestationKey, string, error) {
	ak, err := t.attestationKey()
	if err != nil {
		return nil, "", err
	}
	if len(ak.chain) > 0 {
		nonce, err := ca.AttestNonce(ctx, serial(ak.chain[0]))
		if !problem(err, api.ProblemAttestation) {
			return ak, nonce, err
		}
	}
	nonce, err := t.introduce(ctx, ca, token, ak)
	if problem(err, api.ProblemConflict) { // the machine was another one before
		if ak, err = t.newAttestationKey(); err == nil {
			nonce, err = t.introduce(ctx, ca, token, ak)
		}
	}
	return ak, nonce, err
}

// problem reports whether err is the CA's problem of this type.
func problem(err error, kind string) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && p.Type == kind
}

// introduce gets the attestation key a certificate, and a nonce, by the first endorsement
// key that the CA knows: its inventory has one, of several.
func (t *TPM) introduce(ctx context.Context, ca *client.Client, token *api.JoinToken, ak *attestationKey) (nonce string, err error) {
	err = errors.New("the TPM has no endorsement key")
	first := true
	for ek, trouble := range t.endorsements {
		if trouble == nil {
			nonce, trouble = t.introduceBy(ctx, ca, token, ak, ek)
			if !problem(trouble, api.ProblemAttestation) {
				return nonce, trouble
			}
		}
		if first {
			err, first = trouble, false
		} else {
			err = fmt.Errorf("%w; by its other endorsement key: %w", err, trouble)
		}
	}
	return "", err
}

func (t *TPM) introduceBy(ctx context.Context, ca *client.Client, token *api.JoinToken, ak *attestationKey, ek *endorsement) (string, error) {
	begin := api.AttestBegin{AKPublic: ak.wrapped.PublicKey[2:], EKPublic: ek.area}
	if ek.cert != nil {
		begin.EKCertificate = [][]byte{ek.cert.Raw}
	}
	challenge, err := ca.AttestBegin(ctx, token, begin)
	if err != nil {
		return "", err
	}
	var secret []byte
	if err := t.use(func(rw io.ReadWriter) error {
		handle, err := load(rw, ak.wrapped)
		if err != nil {
			return err
		}
		defer flush(rw, handle)
		secret, err = ek.activate(rw, handle, challenge.Credential, challenge.Secret)
		return err
	}); err != nil {
		return "", fmt.Errorf("the TPM cannot answer the CA's challenge: %w", err)
	}
	issued, err := ca.AttestFinish(ctx, api.AttestFinish{ID: challenge.ID, Secret: secret})
	if err != nil {
		return "", err
	}
	if ak.chain, err = client.ParseCertificates([]byte(issued.Certificate)); err != nil {
		return "", fmt.Errorf("the attestation key's certificate: %w", err)
	}
	if err := t.keep(ak); err != nil {
		return "", fmt.Errorf("keeping the attestation key's certificate: %w", err)
	}
	return issued.Nonce, nil
}

// serial writes a serial number as the CA does.
func serial(cert *x509.Certificate) string {
	return hex.EncodeToString(cert.SerialNumber.FillBytes(make([]byte, max(16, (cert.SerialNumber.BitLen()+7)/8))))
}
