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
	"os"

	legacy "github.com/google/go-tpm/legacy/tpm2"
	"github.com/google/go-tpm/tpmutil"
	"go.step.sm/crypto/tpm"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// attestationKey is what the attestation key is called in dir.
const attestationKey = "attestation"

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
	t.mu.Lock()
	defer t.mu.Unlock()
	ak, nonce, err := t.introduced(ctx, ca, token)
	if err != nil {
		return nil, err
	}
	at := &api.Attestation{Nonce: nonce, Algorithm: -257} // RSASSA with SHA-256, as attestation keys are made
	for _, cert := range ak.CertificateChain() {
		at.X5C = append(at.X5C, cert.Raw)
	}
	qualifying := sha256.Sum256([]byte(api.AttestationText(nonce, block.Bytes)))
	if err := t.certify(ctx, ak, own, qualifying[:], at); err != nil {
		return nil, fmt.Errorf("having the TPM attest the key: %w", err)
	}
	return at, nil
}

// introduced returns the attestation key, which the CA knows then, and a nonce for it.
func (t *TPM) introduced(ctx context.Context, ca *client.Client, token *api.JoinToken) (*tpm.AK, string, error) {
	ak, err := t.attestationKey(ctx)
	if err != nil {
		return nil, "", err
	}
	if cert := ak.Certificate(); cert != nil {
		nonce, err := ca.AttestNonce(ctx, serial(cert))
		if !problem(err, api.ProblemAttestation) {
			return ak, nonce, err
		}
	}
	nonce, err := t.introduce(ctx, ca, token, ak)
	if problem(err, api.ProblemConflict) { // the machine was another one before
		if ak, err = t.newAttestationKey(ctx); err == nil {
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

// attestationKey returns the attestation key, and makes one if there is none that the
// TPM knows: it has been cleared, or a loss of power left half of a file.
func (t *TPM) attestationKey(ctx context.Context) (*tpm.AK, error) {
	ak, err := t.dev.GetAK(ctx, attestationKey)
	if err == nil {
		if _, err = ak.AttestationParameters(ctx); err == nil {
			return ak, nil
		}
	}
	if _, err := t.dev.Info(ctx); err != nil { // it may know the key when it answers again
		return nil, fmt.Errorf("asking the TPM what it is: %w", err)
	}
	return t.newAttestationKey(ctx)
}

func (t *TPM) newAttestationKey(ctx context.Context) (*tpm.AK, error) {
	if err := os.RemoveAll(t.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return nil, err
	}
	ak, err := t.dev.CreateAK(ctx, attestationKey)
	if err != nil {
		return nil, fmt.Errorf("making an attestation key in the TPM: %w", err)
	}
	return ak, nil
}

// introduce gets the attestation key a certificate, and a nonce.
func (t *TPM) introduce(ctx context.Context, ca *client.Client, token *api.JoinToken, ak *tpm.AK) (string, error) {
	params, err := ak.AttestationParameters(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the attestation key: %w", err)
	}
	begin := api.AttestBegin{AKPublic: params.Public}
	if begin.EKCertificate, begin.EKPublic, err = t.endorsement(ctx); err != nil {
		return "", err
	}
	challenge, err := ca.AttestBegin(ctx, token, begin)
	if err != nil {
		return "", err
	}
	secret, err := ak.ActivateCredential(ctx, tpm.EncryptedCredential{Credential: challenge.Credential, Secret: challenge.Secret})
	if err != nil {
		return "", fmt.Errorf("the TPM cannot answer the CA's challenge: %w", err)
	}
	issued, err := ca.AttestFinish(ctx, api.AttestFinish{ID: challenge.ID, Secret: secret})
	if err != nil {
		return "", err
	}
	chain, err := client.ParseCertificates([]byte(issued.Certificate))
	if err != nil {
		return "", fmt.Errorf("the attestation key's certificate: %w", err)
	}
	if err := ak.SetCertificateChain(ctx, chain); err != nil {
		return "", fmt.Errorf("keeping the attestation key's certificate: %w", err)
	}
	return issued.Nonce, nil
}

// Endorsement returns the SHA-256, in hexadecimal, of the SubjectPublicKeyInfo of the
// TPM's endorsement key: what an inventory knows it by.
func (t *TPM) Endorsement(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ek, err := t.endorsementKey(ctx)
	if err != nil {
		return "", err
	}
	spki, err := x509.MarshalPKIXPublicKey(ek.Public())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:]), nil
}

// endorsement returns the endorsement key's certificate or, of a TPM that its maker gave
// none, the public area.
func (t *TPM) endorsement(ctx context.Context) (cert [][]byte, area []byte, err error) {
	ek, err := t.endorsementKey(ctx)
	if err != nil {
		return nil, nil, err
	}
	if cert := ek.Certificate(); cert != nil {
		return [][]byte{cert.Raw}, nil, nil
	}
	area, err = endorsementArea(ek.Public())
	return nil, area, err
}

func (t *TPM) endorsementKey(ctx context.Context) (*tpm.EK, error) {
	eks, err := t.dev.GetEKs(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the TPM's endorsement key: %w", err)
	}
	if len(eks) == 0 {
		return nil, errors.New("the TPM has no endorsement key")
	}
	return eks[0], nil
}

// certify has the attestation key sign what the TPM says of key (TPM2_Certify).
func (t *TPM) certify(ctx context.Context, ak *tpm.AK, key *signer, qualifying []byte, at *api.Attestation) (err error) {
	wrapped, err := ak.ToTSS2(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.raw.Close()) }()
	signs, err := load(t.raw, tpmutil.Handle(wrapped.Parent), wrapped.PublicKey, wrapped.PrivateKey)
	if err != nil {
		return fmt.Errorf("loading the attestation key: %w", err)
	}
	defer legacy.FlushContext(t.raw, signs)
	signed, err := load(t.raw, tpmutil.Handle(key.wrapped.Parent), key.wrapped.PublicKey, key.wrapped.PrivateKey)
	if err != nil {
		return fmt.Errorf("loading the key: %w", err)
	}
	defer legacy.FlushContext(t.raw, signed)
	at.CertInfo, at.Signature, err = legacy.CertifyEx(t.raw, "", "", signed, signs, qualifying, legacy.SigScheme{Alg: legacy.AlgRSASSA, Hash: legacy.AlgSHA256})
	at.PubArea = key.wrapped.PublicKey[2:] // parse saw to its length
	return err
}

// load loads a wrapped key below its parent.
func load(rw io.ReadWriter, parent tpmutil.Handle, public, private []byte) (tpmutil.Handle, error) {
	handle, _, err := legacy.Load(rw, parent, "", public[2:], private[2:])
	return handle, err
}

// serial writes a serial number as the CA does.
func serial(cert *x509.Certificate) string {
	return hex.EncodeToString(cert.SerialNumber.FillBytes(make([]byte, max(16, (cert.SerialNumber.BitLen()+7)/8))))
}
