package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Policy is one version of the policy file, as it was loaded.
type Policy struct {
	Version int64 // 1, 2, 3, ...
	Text    []byte
	Digest  [32]byte // SHA-256 of Text
	Loaded  time.Time
	Actor   string
}

// SetPolicy demands that the policy in force is the version before p's, and puts
// p in force: every certificate that was decided under another version and is
// not yet recorded becomes stale. Its time is the transaction's. The error is
// [ErrStale].
func (t *Tx) SetPolicy(p Policy) {
	t.demand(1, ErrStale, `
		UPDATE current SET policy_version = $1 WHERE id = 1 AND policy_version = $2`,
		p.Version, p.Version-1)
	t.demand(1, ErrExists, `
		INSERT INTO policy (version, text, digest, loaded_at, actor) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (version) DO NOTHING`,
		p.Version, p.Text, p.Digest[:], t.millis(), p.Actor)
}

// CurrentPolicy returns the policy in force, or the zero Policy, whose version
// is 0, if none was ever set.
func (d *DB) CurrentPolicy(ctx context.Context) (Policy, error) {
	var p Policy
	var digest []byte
	var loaded int64
	err := d.reads.row(ctx, `
		SELECT p.version, p.text, p.digest, p.loaded_at, p.actor
		FROM current c JOIN policy p ON p.version = c.policy_version
		WHERE c.id = 1`, nil, &p.Version, &p.Text, &digest, &loaded, &p.Actor)
	if errors.Is(err, ErrNotFound) {
		return Policy{}, nil
	}
	if err != nil {
		return Policy{}, fmt.Errorf("reading policy: %w", err)
	}
	copy(p.Digest[:], digest)
	p.Loaded = time.UnixMilli(loaded).UTC()
	return p, nil
}

// PolicyVersion returns the newest version of the policy that had this digest, or
// [ErrNotFound] if none had.
func (d *DB) PolicyVersion(ctx context.Context, digest [32]byte) (version int64, err error) {
	err = d.reads.row(ctx, `
		SELECT version FROM policy WHERE digest = $1 ORDER BY version DESC LIMIT 1`, []any{digest[:]}, &version)
	if err != nil {
		return 0, fmt.Errorf("reading the policy's version: %w", err)
	}
	return version, nil
}
