package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/betonica/betonica/store/audit"
)

// Decide is [DB.UpdateMany] for what is no revocation: like Update it has no right to
// the last of the disk, and does nothing while the clock cannot be right.
func (d *DB) Decide(ctx context.Context, fn func(context.Context, *AloneTx) ([]audit.Event, error)) error {
	if err := d.Stopped(); err != nil {
		return err
	}
	return d.write(ctx, &call{alone: fn})
}

// A Person is an active identity of a role that holds a live certificate.
type Person struct {
	Path  string
	Owner string // who answers for that person
}

// OwnerKey is an owner as it is compared: large and small letters, how many spaces there
// are between words, and by which characters a keyboard makes an umlaut, make no other one.
// It is empty for nobody.
func OwnerKey(owner string) string {
	return strings.ToLower(strings.Join(strings.Fields(norm.NFKC.String(owner)), " "))
}

const persons = `
	SELECT i.path, i.owner FROM identities i
	WHERE i.path > $1 AND i.path < $2 AND i.state = 'active'
	AND EXISTS (SELECT 1 FROM certificates c WHERE c.identity = i.path AND c.not_after > $3 AND c.method <> 'attestation'
		AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial))
	ORDER BY i.path LIMIT $4`

// Persons returns the active identities of a role that somebody answers for, and that
// hold a certificate in time that is not revoked.
func (t *AloneTx) Persons(ctx context.Context, role string) ([]Person, error) {
	rows, err := t.query(ctx, persons, role+"/", role+"0", t.millis(), math.MaxInt32) // 0 is the byte after /
	if err != nil {
		return nil, fmt.Errorf("reading who holds certificates of role %s: %w", role, err)
	}
	all, err := collectPersons(role, rows)
	return slices.DeleteFunc(all, func(p Person) bool { return p.Owner == "" }), err
}

// Persons returns the first active identities of a role, in the order of their paths, that
// hold a certificate in time that is not revoked, and also those that nobody answers for.
func (d *DB) Persons(ctx context.Context, role string, limit int) ([]Person, error) {
	rows, err := d.reads.query(ctx, persons, role+"/", role+"0", d.cfg.Now().UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("reading who holds certificates of role %s: %w", role, err)
	}
	return collectPersons(role, rows)
}

func collectPersons(role string, rows *sql.Rows) (all []Person, err error) {
	defer rows.Close()
	for rows.Next() {
		var p Person
		if err := rows.Scan(&p.Path, &p.Owner); err != nil {
			return nil, fmt.Errorf("reading who holds certificates of role %s: %w", role, err)
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// Revoked reports whether a certificate is revoked. Whoever has read its identity in the
// same transaction before, which locks it, gets an answer that stays so.
func (t *AloneTx) Revoked(ctx context.Context, serial Serial) (bool, error) {
	var n int
	if err := t.row(ctx, `SELECT COUNT(*) FROM revocations r WHERE r.serial = $1`, []any{serial[:]}, &n); err != nil {
		return false, fmt.Errorf("reading revocation of %s: %w", serial, err)
	}
	return n > 0, nil
}

// LiftIdentity demands that the identity is a tombstone at this revision, and makes it
// active, at the next one: an InsertCertificate that follows in the same call demands
// that. The error is [ErrStale].
func (t *Tx) LiftIdentity(path string, revision int64) {
	t.demand(1, ErrStale, `
		UPDATE identities SET state = 'active', revision = revision + 1, changed_at = $1, active_at = $1, attested_at = $1, suspect = FALSE
		WHERE path = $2 AND revision = $3 AND state = 'revoked'`,
		t.millis(), path, revision)
}
