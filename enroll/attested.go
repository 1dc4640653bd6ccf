package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/acme/attest"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// An Attestation is what a TPM has said, for one request, of the request's key: it was
// made inside it and cannot leave it. Only [Registrar.Attested] makes one.
type Attestation struct {
	r        *Registrar
	identity store.Identity
	ek, spki [32]byte
	listed   bool // see AttestationKey
}

// Attested verifies that a TPM which is on record says so of the key of a CSR, in PEM
// or DER, and uses its nonce up. The attestation key's certificate is one of ours, and
// good at this moment.
//
// The error is an [*AttestationError], which is recorded, an [*api.BadRequestError] or a
// [*ca.RequestError], which are not.
func (r *Registrar) Attested(ctx context.Context, at api.Attestation, csr []byte, from netip.Addr) (*Attestation, error) {
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(at.Nonce)
	if err != nil || len(nonce) != 16 {
		return nil, &api.BadRequestError{Status: http.StatusBadRequest, Detail: "attestation: the nonce is not one"}
	}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return nil, err
	}
	der := csr
	if block, _ := pem.Decode(csr); block != nil {
		der = block.Bytes
	}
	var key AttestationKey
	known := func(cert *x509.Certificate) (bool, error) {
		found, err := r.anyAttestationKey(ctx, cert)
		if errors.Is(err, store.ErrNotFound) {
			return false, &AttestationError{Detail: "the attestation key's certificate is not one of ours: begin again"}
		}
		key = found
		return true, err
	}
	spki, err := attest.VerifyStatement(attest.Statement{
		Algorithm: at.Algorithm, X5C: at.X5C, Signature: at.Signature, CertInfo: at.CertInfo, PubArea: at.PubArea,
	}, attest.Options{Known: known, KeyAuthorization: api.AttestationText(at.Nonce, der), Identifier: "whatever the record says", Now: r.now()})
	switch {
	case err != nil:
	case spki != req.SPKI():
		err = &AttestationError{Detail: "the attested key is not the request's"}
	default:
		if err := r.useNonce(ctx, [16]byte(nonce), key.Identity.Path, from); err != nil {
			return nil, err
		}
		return &Attestation{r: r, identity: key.Identity, ek: key.EK, spki: spki, listed: key.listed}, nil
	}
	if e, ok := errors.AsType[*attest.Error](err); ok {
		return nil, r.refuseAttestation(ctx, key.Identity.Path, from, e.Detail)
	}
	if e, ok := errors.AsType[*AttestationError](err); ok {
		return nil, r.refuseAttestation(ctx, key.Identity.Path, from, e.Detail)
	}
	return nil, err
}

// Identity returns whose TPM it is, as it was when the attestation was verified.
func (a *Attestation) Identity() store.Identity { return a.identity }

// EK returns the SHA-256 of the SubjectPublicKeyInfo of the TPM's endorsement key.
func (a *Attestation) EK() [sha256.Size]byte { return a.ek }

// SPKI returns that of the attested key.
func (a *Attestation) SPKI() [sha256.Size]byte { return a.spki }

// String names the TPM for the log.
func (a *Attestation) String() string { return proofEK(a.ek) }

func (a *Attestation) method() ca.Method { return ca.MethodTPM }

// Settle leaves the certificate as it is: the nonce is used up already.
func (a *Attestation) Settle(*store.Tx, *store.Certificate) {}

// bind binds the identity to the TPM: what follows must be attested by it.
func (a *Attestation) bind(tx *store.Tx, cert *store.Certificate) {
	tx.BindTPM(cert.Identity, a.ek[:])
}

// Unmet looks whether a reply was lost: the key is in the TPM, and the same TPM asks
// for the same identity.
func (a *Attestation) Unmet(ctx context.Context, key [32]byte, err error) (*x509.Certificate, error) {
	prior, e := a.prior(ctx)
	if e != nil {
		return nil, e
	}
	if prior != nil {
		return a.r.again(ctx, prior)
	}
	if !errors.Is(err, store.ErrKeyTaken) {
		return nil, err
	}
	if prior, e = a.r.byKey(ctx, key); e != nil {
		return nil, e
	}
	return nil, a.r.keyTaken(ctx, a.identity.Path, a.String(), prior, err)
}

// known is what the store is bound to say to the attested key; nil: nothing.
func (a *Attestation) known(ctx context.Context) (error, error) {
	prior, err := a.prior(ctx)
	if err != nil || prior == nil {
		return nil, err
	}
	return store.ErrKeyTaken, nil
}

// prior returns the certificate that the attested key was given a moment ago, for this
// identity; nil: none.
func (a *Attestation) prior(ctx context.Context) (*store.Holder, error) {
	prior, err := a.r.byKey(ctx, a.spki)
	if err != nil || prior == nil || prior.Identity.Path != a.identity.Path || prior.Certificate.Parent != nil {
		return nil, err
	}
	if a.r.now().Sub(issuedAt(prior.Certificate.Serial)) >= replayTime {
		return nil, nil
	}
	return prior, nil
}

// AttestHolder returns h as one whose request is for a key that its TPM has attested. It
// refuses, and records, the word of a TPM that is not the one of this identity. The
// other errors are those of Attested.
func (r *Registrar) AttestHolder(ctx context.Context, h Holder, at api.Attestation, csr []byte) (Holder, error) {
	a, err := r.Attested(ctx, at, csr, h.Applicant.Source)
	if err != nil {
		return h, err
	}
	if a.identity.Path != h.Identity.Path {
		return h, r.refuseAttestation(ctx, h.Identity.Path, h.Applicant.Source, "the TPM is another identity's")
	}
	h.Applicant.Attested = &a.spki
	return h, nil
}
