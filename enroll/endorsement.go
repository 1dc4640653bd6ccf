package enroll

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/netip"
	"slices"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// An Endorsement is a TPM's endorsement key, and a key that is said to be an
// attestation key in the same TPM.
type Endorsement struct {
	EK crypto.PublicKey
	AK crypto.PublicKey // its attributes were checked: the challenge is for this Name alone
	// Vouched reports whether one of the roots vouches for EK, and returns what the
	// maker calls the TPM.
	Vouched func(roots []*x509.Certificate) (ca.TPM, error)
	Token   string // a join token's text; "": none was shown
	From    netip.Addr
}

// A Challenge is a secret to be hidden so that only the TPM finds it (TPM 2.0 Library,
// Part 1, Section 24), and what the answer must come with.
type Challenge struct {
	ID     string
	Secret [32]byte
}

// unknownTPM names a TPM whose maker has not said what it is.
var unknownTPM = ca.TPM{Manufacturer: "id:00000000", Model: "unknown", Version: "id:00000000"}

// Challenge finds out whose TPM it is that has this endorsement key, and returns what
// shows that the attestation key is in it.
//
// The inventory says so, by the key; the identity that is bound to the TPM, for it has
// enrolled by it; or a join token that is bound to an identity, if the maker's certificate
// leads to one of the role's tpm_roots and neither is on record with something else. A
// maker alone vouches for a TPM, and not for whose it is. The token is not spent: what
// follows on it alone takes the token once more, to enrol, when it is.
//
// Whoever is refused gets an [*AttestationError], [ErrUnauthenticated], a
// [*ca.DeniedError] or a [*RateLimitError]. All but the last are recorded, with the
// hash of the endorsement key.
func (r *Registrar) Challenge(ctx context.Context, e Endorsement) (Challenge, error) {
	now := r.now()
	if wait := r.begun.count(e.From, now); wait > 0 {
		return Challenge{}, &RateLimitError{RetryAfter: wait, Of: "attestations begun"}
	}
	ek, err := x509.MarshalPKIXPublicKey(e.EK)
	if err != nil {
		return Challenge{}, r.refuseAttestation(ctx, "", e.From, "the endorsement key is not a key")
	}
	s := challengeState{EK: sha256.Sum256(ek), Nonce: r.store.NewNonce(), Until: now.Add(challengeLife).UnixMilli()}
	if s.AK, err = x509.MarshalPKIXPublicKey(e.AK); err != nil {
		return Challenge{}, r.refuseAttestation(ctx, subjectEK(s.EK), e.From, "the attestation key is not a key")
	}
	if err := r.endorse(ctx, &s, e); err != nil {
		return Challenge{}, err
	}
	var c Challenge
	rand.Read(c.Secret[:])
	s.Secret = sha256.Sum256(c.Secret[:])
	c.ID, err = r.sealChallenge(s, now)
	return c, err
}

// endorse writes into s whose TPM it is, and what it is called.
func (r *Registrar) endorse(ctx context.Context, s *challengeState, e Endorsement) error {
	bound, err := r.store.IdentityByEK(ctx, s.EK[:])
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	var holder store.Identity
	device, err := r.store.DeviceByEK(ctx, s.EK[:])
	known := err == nil || bound.Path != "" && e.Token == ""
	switch {
	case err == nil:
		s.By = "inventory"
		if holder, err = r.store.Identity(ctx, device.Identity); err != nil {
			return err
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	case e.Token != "":
		if holder, s.By, err = r.tokenIdentity(ctx, e); err != nil {
			return err
		}
	case bound.Path != "":
		holder, s.By = bound, "record" // it enrolled by this TPM
	default:
		return r.refuseAttestation(ctx, subjectEK(s.EK), e.From, "the endorsement key "+hex.EncodeToString(s.EK[:])+" is not in the inventory, and there is no join token")
	}
	refuse := func(why string) error { return r.refuseAttestation(ctx, holder.Path, e.From, why) }
	if bound.Path != "" && bound.Path != holder.Path {
		return refuse("the TPM is bound to another identity")
	}
	id, err := r.identity(holder, ca.MethodTPM, e.From)
	if err != nil {
		return err
	}
	if holder.State != store.Pending && holder.State != store.Active {
		return refuse("the identity is " + string(holder.State))
	}
	role, _ := r.Policies.Current().Role(id.ID.Role()) // of no role: no methods
	if !slices.Contains(role.Methods, ca.MethodTPM) {
		return refuse("its role does not take TPMs")
	}
	s.Identity, s.TPM = holder.Path, unknownTPM
	tpm, err := e.Vouched(role.TPMRoots)
	if err == nil {
		s.TPM = tpm
	}
	if known {
		return nil // the record is enough
	}
	if err != nil {
		return refuse("no root of its role vouches for its endorsement key: " + err.Error())
	}
	if len(holder.EK) > 0 && !bytes.Equal(holder.EK, s.EK[:]) {
		return refuse("the identity is bound to another TPM")
	}
	device, err = r.store.DeviceOf(ctx, holder.Path)
	if err == nil && len(device.EK) > 0 { // not ours, or it would have been found by it
		return refuse("the inventory has another endorsement key for it")
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// tokenIdentity returns the identity that a token is bound to.
func (r *Registrar) tokenIdentity(ctx context.Context, e Endorsement) (store.Identity, string, error) {
	p, err := r.bearer(ctx, e.Token, e.From)
	if err != nil {
		return store.Identity{}, "", err
	}
	switch {
	case p.known() != nil:
		return store.Identity{}, "", p.refuse(ctx, "spent or expired")
	case p.identity == nil:
		return store.Identity{}, "", r.refuseAttestation(ctx, p.String(), e.From, "the token must be bound to one identity: it says which one the TPM is of")
	}
	return *p.identity, p.String(), nil
}

// refuseAttestation records that what is said of a TPM is not so, through the queue for
// strangers, and returns what the caller is told.
func (r *Registrar) refuseAttestation(ctx context.Context, subject string, from netip.Addr, why string) error {
	r.refuseStranger(ctx, ReasonAttestation, subject, from, why)
	return &AttestationError{Detail: why}
}

// RefuseAttestation is for those who read what a TPM is said to have said: it records
// why they do not believe it, and returns an [*AttestationError] that says so.
func (r *Registrar) RefuseAttestation(ctx context.Context, from netip.Addr, why string) error {
	return r.refuseAttestation(ctx, "", from, why)
}

// subjectEK is what the log calls a TPM of nobody.
func subjectEK(ek [32]byte) string { return "ek:" + hex.EncodeToString(ek[:]) }
