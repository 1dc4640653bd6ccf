package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// LiveUntil returns when the last of the identity's certificates ends that is in time and
// not revoked; the zero time if it holds none. Those of attestation keys do not count.
func (d *DB) LiveUntil(ctx context.Context, path string) (time.Time, error) {
	var until int64
	err := d.reads.row(ctx, `
		SELECT COALESCE(MAX(c.not_after), 0) FROM certificates c WHERE c.identity = $1 AND c.not_after > $2 AND `+holdsLive,
		[]any{path, d.cfg.Now().UnixMilli()}, &until)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading what %s holds: %w", path, err)
	}
	if until == 0 {
		return time.Time{}, nil
	}
	return fromMillis(until), nil
}

// holdsLive is what makes a certificate in time one that its identity holds.
const holdsLive = `c.method <> '` + MethodAttestation + `' AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)`

// NewestCertificate returns the serial number of the certificate that the identity was
// given last, attestation keys' aside, or [ErrNotFound].
func (d *DB) NewestCertificate(ctx context.Context, path string) (Serial, error) {
	var serial []byte
	err := d.reads.row(ctx, `
		SELECT c.serial FROM certificates c WHERE c.identity = $1 AND c.method <> '`+MethodAttestation+`'
		ORDER BY c.serial DESC LIMIT 1`, []any{path}, &serial)
	if err != nil {
		return Serial{}, fmt.Errorf("reading the newest certificate of %s: %w", path, err)
	}
	return Serial(serial), nil
}

// ActivateOnce is ActivateIdentity for whoever proves the identity by what cannot be used
// up: it is the activation that is. The error is [ErrSpent].
func (t *Tx) ActivateOnce(path string, revision int64) {
	t.demand(1, ErrSpent, `
		UPDATE identities SET state = 'active', changed_at = $1
		WHERE path = $2 AND revision = $3 AND state = 'pending'`,
		t.millis(), path, revision)
}

// EnrolAnew demands that the identity is active at this revision and holds no live
// certificate, and raises the revision. An InsertCertificate that follows in the same
// call demands revision+1. The error is [ErrSpent].
func (t *Tx) EnrolAnew(path string, revision int64) {
	t.demand(1, ErrSpent, `
		UPDATE identities SET revision = revision + 1, changed_at = $1
		WHERE path = $2 AND revision = $3 AND state = 'active'`,
		t.millis(), path, revision)
	// The row's lock keeps certificates from being added meanwhile; a statement of its
	// own, to see those that were.
	t.demand(1, ErrSpent, `
		UPDATE identities SET changed_at = $1
		WHERE path = $2 AND NOT EXISTS (SELECT 1 FROM certificates c WHERE c.identity = $2 AND c.not_after > $1 AND `+holdsLive+`)`,
		t.millis(), path)
}

// birthHolder is who has a birth key in the table of keys, before the path of its identity.
const birthHolder = "birth:"

// BindBirth demands that the identity has come with no other birth certificate than the
// one for the key with this SHA-256 of its SubjectPublicKeyInfo, and remembers that. With
// another, a later one takes its place. The error is [ErrStale]; or [ErrKeyTaken], if the
// key was ever another identity's that is not retired, or was certified.
func (t *Tx) BindBirth(path string, spki [32]byte, another bool) {
	t.demand(1, ErrKeyTaken, `
		INSERT INTO keys (spki, identity, serial) VALUES ($1, $2, $3)
		ON CONFLICT (spki) DO UPDATE SET identity = excluded.identity
		WHERE keys.identity = excluded.identity OR keys.identity LIKE 'birth:%' AND EXISTS (
			SELECT 1 FROM identities i WHERE i.path = substr(keys.identity, 7) AND i.state = 'retired')`,
		spki[:], birthHolder+path, []byte{})
	t.demand(1, ErrStale, `
		UPDATE identities SET birth_spki = $1, changed_at = $2
		WHERE path = $3 AND (birth_spki IS NULL OR birth_spki = $1 OR CAST($4 AS BIGINT) = 1)`,
		spki[:], t.millis(), path, flag(another))
}

// BirthHolder returns the identity that last came with a birth certificate for the key with
// this SHA-256 of its SubjectPublicKeyInfo, or [ErrNotFound].
func (d *DB) BirthHolder(ctx context.Context, spki [32]byte) (Identity, error) {
	var holder string
	err := d.reads.row(ctx, `SELECT k.identity FROM keys k WHERE k.spki = $1`, []any{spki[:]}, &holder)
	path, birth := strings.CutPrefix(holder, birthHolder)
	if err == nil && !birth {
		err = ErrNotFound
	}
	if err != nil {
		return Identity{}, fmt.Errorf("reading whose birth key %x is: %w", spki, err)
	}
	return d.Identity(ctx, path)
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
