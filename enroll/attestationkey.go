package enroll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// CertifyAttestationKey issues the certificate of the attestation key of a challenge,
// to whoever has found the secret in it: the TPM that has both keys. A challenge is
// good for two minutes, once, whichever replica made it. What it was decided on is
// judged again, and the certificate recorded, as with every other.
//
// The errors are those of Issue, and [*AttestationError]; all are recorded.
func (r *Registrar) CertifyAttestationKey(ctx context.Context, challenge string, secret []byte, from netip.Addr) (*x509.Certificate, error) {
	s, err := r.openChallenge(challenge)
	if errors.Is(err, errChallenge) {
		return nil, r.refuseAttestation(ctx, "", from, "the id is not one of a challenge")
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(secret)
	switch {
	case r.now().UnixMilli() > s.Until:
		return nil, r.refuseAttestation(ctx, s.Identity, from, "the challenge is too old: begin again")
	case subtle.ConstantTimeCompare(sum[:], s.Secret[:]) != 1:
		return nil, r.refuseAttestation(ctx, s.Identity, from, "the secret is not the one in the challenge")
	}
	if err := r.useNonce(ctx, s.Nonce, s.Identity, from); err != nil {
		return nil, err
	}
	return r.issueAttestationKey(ctx, s, from)
}

func (r *Registrar) issueAttestationKey(ctx context.Context, s challengeState, from netip.Addr) (*x509.Certificate, error) {
	identity, err := r.store.Identity(ctx, s.Identity)
	if err != nil {
		return nil, err
	}
	a := Applicant{about: map[string]any{"ek": hex.EncodeToString(s.EK[:]), "by": s.By}}
	if a.Identity, err = r.identity(identity, ca.MethodTPM, from); err != nil {
		return nil, err
	}
	proof := &challengeProof{r: r, ek: s.EK, path: s.Identity}
	a.Proof = proof
	if identity.State != store.Pending && identity.State != store.Active {
		return nil, r.refuse(ctx, a, notActive(a.Identity.ID, identity))
	}
	public, err := x509.ParsePKIXPublicKey(s.AK)
	if err != nil {
		return nil, err
	}
	req, err := ca.AttestationRequest(public, s.TPM)
	if err != nil {
		return nil, r.refuse(ctx, a, err)
	}
	return r.issue(ctx, a, req, nil)
}

// useNonce uses up a nonce of ours, or refuses.
func (r *Registrar) useNonce(ctx context.Context, nonce [16]byte, subject string, from netip.Addr) error {
	err := r.store.UseNonce(ctx, nonce)
	if errors.Is(err, store.ErrSpent) {
		return r.refuseAttestation(ctx, subject, from, "it was used before, or is too old: begin again")
	}
	return err
}

// A challengeProof is a challenge that a TPM has answered.
type challengeProof struct {
	r    *Registrar
	ek   [32]byte
	path string
}

func (p *challengeProof) String() string { return proofEK(p.ek) }

// Settle records the attestation key as the TPM's. That the identity is not stopped,
// InsertCertificate demands.
func (p *challengeProof) Settle(tx *store.Tx, cert *store.Certificate) {
	tx.RecordAttestation(store.Attestation{AK: cert.SPKI, EK: p.ek, Identity: cert.Identity, Expires: cert.NotAfter})
}

func (p *challengeProof) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	if !errors.Is(err, store.ErrKeyTaken) {
		return nil, err
	}
	prior, e := p.r.byKey(ctx, key)
	if e != nil {
		return nil, e
	}
	return nil, p.r.keyTaken(ctx, p.path, p.String(), prior, err)
}

// proofEK names a TPM for the log.
func proofEK(ek [32]byte) string { return "tpm:" + hex.EncodeToString(ek[:16]) }

// An AttestationKey is one that we certified, and whose certificate is good now.
type AttestationKey struct {
	Identity store.Identity // pending or active
	EK       [32]byte       // SHA-256 of the SubjectPublicKeyInfo

	listed bool // the inventory, or the identity's own record, has that TPM as the identity's
}

// AttestationKey returns what is on record of an attestation key, by its certificate.
// It returns store.ErrNotFound if we did not issue the certificate, every byte of it,
// and an [*AttestationError], which the caller records, if it is good no more: it was
// revoked, ran out, its identity was stopped or is bound to another TPM; or if it was a
// join token that said whose the TPM is, which was never spent by it.
func (r *Registrar) AttestationKey(ctx context.Context, cert *x509.Certificate) (AttestationKey, error) {
	k, err := r.anyAttestationKey(ctx, cert)
	if err == nil && !k.listed {
		err = &AttestationError{Detail: "its TPM is in no inventory, and the identity has not enrolled by it"}
	}
	return k, err
}

// anyAttestationKey is AttestationKey, also on the word of a join token.
func (r *Registrar) anyAttestationKey(ctx context.Context, cert *x509.Certificate) (AttestationKey, error) {
	h, err := r.store.Holder(ctx, store.SerialOf(cert))
	if err == nil && !bytes.Equal(h.Certificate.DER, cert.Raw) {
		err = store.ErrNotFound
	}
	if err != nil {
		return AttestationKey{}, err
	}
	return r.attestationKey(ctx, h)
}

func (r *Registrar) attestationKey(ctx context.Context, h store.Holder) (AttestationKey, error) {
	k := AttestationKey{Identity: h.Identity}
	var why string
	switch now := r.now(); {
	case h.Certificate.Method != store.MethodAttestation:
		why = "the certificate is not one for an attestation key"
	case h.Identity.State != store.Pending && h.Identity.State != store.Active:
		why = "the identity is " + string(h.Identity.State)
	case h.Revocation != nil:
		why = "the attestation key's certificate is revoked: begin again"
	case now.Before(h.Certificate.NotBefore) || now.After(h.Certificate.NotAfter):
		why = "the attestation key's certificate is not valid at this time: begin again"
	}
	if why != "" {
		return k, &AttestationError{Detail: why}
	}
	a, err := r.store.Attestation(ctx, h.Certificate.SPKI)
	if err != nil {
		return k, err
	}
	if len(k.Identity.EK) > 0 && !bytes.Equal(k.Identity.EK, a.EK[:]) {
		return k, &AttestationError{Detail: "the identity is bound to another TPM"}
	}
	k.EK = a.EK
	if k.listed = len(k.Identity.EK) > 0; k.listed {
		return k, nil
	}
	device, err := r.store.DeviceByEK(ctx, a.EK[:])
	if errors.Is(err, store.ErrNotFound) {
		return k, nil
	}
	k.listed = err == nil && device.Identity == k.Identity.Path
	return k, err
}

// AttestationNonce returns a nonce for an attestation by the key of the certificate
// with this serial number, an [*AttestationError] if that is good no more, or was never
// ours; it is recorded.
func (r *Registrar) AttestationNonce(ctx context.Context, serial string, from netip.Addr) (string, error) {
	if wait := r.begun.count(from, r.now()); wait > 0 {
		return "", &RateLimitError{RetryAfter: wait, Of: "attestations begun"}
	}
	number, err := store.ParseSerial(serial)
	if err != nil {
		return "", badRequest("serial is not the serial number of a certificate")
	}
	h, err := r.store.Holder(ctx, number)
	if errors.Is(err, store.ErrNotFound) {
		return "", r.refuseAttestation(ctx, "", from, "the attestation key's certificate is not one of ours: begin again")
	}
	if err != nil {
		return "", err
	}
	if _, err := r.attestationKey(ctx, h); err != nil {
		if e, ok := errors.AsType[*AttestationError](err); ok {
			return "", r.refuseAttestation(ctx, h.Identity.Path, from, e.Detail)
		}
		return "", err
	}
	return r.NewNonce(), nil
}

// NewNonce returns a nonce for one attestation. It is good for an hour, once.
func (r *Registrar) NewNonce() string {
	nonce := r.store.NewNonce()
	return base64.RawURLEncoding.EncodeToString(nonce[:])
}
