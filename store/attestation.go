package store

import (
	"context"
	"fmt"
	"time"
)

// MethodAttestation is the Method of a certificate for an attestation key, which is
// good for attestations and nothing else. Its identity may be pending, since it is
// what an identity enrols with.
const MethodAttestation = "attestation"

// An Attestation ties an attestation key to the TPM that it is in, by the SHA-256 of
// their SubjectPublicKeyInfos, and to the identity that the TPM is of.
type Attestation struct {
	AK, EK           [32]byte
	Identity         string // path
	Created, Expires time.Time
}

// RecordAttestation demands that nobody has shown this attestation key, or the same
// identity by the same TPM, and records it until a.Expires. The error is [ErrKeyTaken].
func (t *Tx) RecordAttestation(a Attestation) {
	role, _ := splitPath(a.Identity)
	t.demand(1, ErrKeyTaken, `
		INSERT INTO attestations (ak, ek, role, identity, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (ak) DO UPDATE SET expires_at = excluded.expires_at
		WHERE attestations.ek = excluded.ek AND attestations.identity = excluded.identity`,
		a.AK[:], a.EK[:], role, a.Identity, t.millis(), a.Expires.UnixMilli())
}

// Attestation returns what is on record of an attestation key, by the SHA-256 of its
// SubjectPublicKeyInfo, or [ErrNotFound].
func (d *DB) Attestation(ctx context.Context, ak [32]byte) (Attestation, error) {
	a := Attestation{AK: ak}
	var ek []byte
	var created, expires int64
	err := d.reads.row(ctx, `SELECT a.ek, a.identity, a.created_at, a.expires_at FROM attestations a WHERE a.ak = $1`,
		[]any{ak[:]}, &ek, &a.Identity, &created, &expires)
	if err != nil {
		return Attestation{}, fmt.Errorf("reading attestation key %x: %w", ak, err)
	}
	copy(a.EK[:], ek)
	a.Created, a.Expires = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
	return a, nil
}

// BindTPM demands that no other identity, but a retired one, is bound to the TPM with this
// endorsement key, by the SHA-256 of its SubjectPublicKeyInfo, and binds this one to it.
// The error is [ErrKeyTaken].
//
// Whoever binds a TPM has an attestation key of it on record, by [Tx.RecordAttestation],
// in a transaction before. All of a TPM's are locked first: of replicas that bind one TPM
// to two identities at one instant, one waits, and then sees what the other did.
func (t *Tx) BindTPM(path string, ek []byte) {
	t.demand(anyRows, nil, `SELECT a.ak FROM attestations a WHERE a.ek = $1 ORDER BY a.ek, a.ak {update}`, ek)
	t.demand(1, ErrKeyTaken, `
		UPDATE identities SET ek = $1, changed_at = $2
		WHERE path = $3 AND NOT EXISTS (SELECT 1 FROM identities o WHERE o.ek = $1 AND o.path <> $3 AND o.state <> 'retired')`,
		ek, t.millis(), path)
}

// FreeTPM demands that the identity exists, and binds it to no TPM. The error is
// [ErrNotFound].
func (t *Tx) FreeTPM(path string) {
	t.demand(1, ErrNotFound, `
		UPDATE identities SET ek = NULL, changed_at = $1 WHERE path = $2`,
		t.millis(), path)
}

// IdentityByEK returns the identity that is bound to the TPM with this endorsement key, by
// the SHA-256 of its SubjectPublicKeyInfo; one that is retired is bound to none. The error
// is [ErrNotFound].
func (d *DB) IdentityByEK(ctx context.Context, ek []byte) (Identity, error) {
	var r identityRow
	err := d.reads.row(ctx, `
		SELECT `+identityColumns+` FROM identities i WHERE i.ek = $1 AND i.state <> 'retired' ORDER BY i.path LIMIT 1`, []any{ek}, r.dest()...)
	if err != nil {
		return Identity{}, fmt.Errorf("reading the identity with endorsement key %x: %w", ek, err)
	}
	return r.identity()
}
