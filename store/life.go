package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A Life is what is known of an active identity's life.
type Life struct {
	Path, Role, Owner, Site string

	Created  time.Time
	Attested time.Time // see [Identity]
	Resumed  time.Time // or when the newest certificate was issued that has left the store; zero: neither

	Issued time.Time // the newest certificate on record; zero: there is none
	Ends   time.Time // and its end, which is past where it is revoked
}

// Awake returns when it was last heard of: when a certificate was issued to it, or it
// was made or resumed.
func (l Life) Awake() time.Time {
	last := l.Created
	for _, t := range []time.Time{l.Resumed, l.Issued} {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// Certificates of attestation keys are none that a machine lives by.
const newestSerial = `(
	SELECT n.serial FROM certificates n
	WHERE n.identity = i.path AND n.method <> 'attestation' ORDER BY n.serial DESC LIMIT 1)`

// Lives returns the active identities with paths after one, in no order, at most so many
// of the first; and the last path: empty at the end. Each costs two entries of indexes.
func (d *DB) Lives(ctx context.Context, after string, limit int) ([]Life, string, error) {
	rows, err := d.reads.query(ctx, `
		SELECT p.path, p.role, p.owner, p.site, p.created_at, p.attested_at, p.active_at, p.newest, c.not_after, r.revoked_at
		FROM (
			SELECT i.path, i.role, i.owner, i.site, i.created_at, i.attested_at, i.active_at, `+newestSerial+` AS newest
			FROM identities i WHERE i.path > $1 AND i.state = 'active' ORDER BY i.path LIMIT $2) p
		LEFT JOIN certificates c ON c.identity = p.path AND c.serial = p.newest
		LEFT JOIN revocations r ON r.serial = p.newest`, after, limit)
	if err != nil {
		return nil, "", fmt.Errorf("reading lives: %w", err)
	}
	defer rows.Close()
	all := make([]Life, 0, limit)
	last := ""
	for rows.Next() {
		var l Life
		var created, attested, active int64
		var newest []byte
		var ends, revoked sql.NullInt64
		if err := rows.Scan(&l.Path, &l.Role, &l.Owner, &l.Site, &created, &attested, &active, &newest, &ends, &revoked); err != nil {
			return nil, "", fmt.Errorf("reading lives: %w", err)
		}
		l.Created, l.Attested = fromMillis(created), fromMillis(attested)
		if active > 0 {
			l.Resumed = fromMillis(active)
		}
		if s := nullSerial(newest); s != nil {
			l.Issued, l.Ends = s.Time(), fromMillis(ends.Int64)
			if revoked.Valid {
				l.Ends = fromMillis(min(ends.Int64, revoked.Int64))
			}
		}
		all, last = append(all, l), max(last, l.Path)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("reading lives: %w", err)
	}
	if len(all) < limit {
		last = ""
	}
	return all, last, nil
}

// Life returns what is known of an identity, locked as by [AloneTx.Identity]; here Ends
// is that of whichever certificate in force lasts longest. The error is [ErrNotFound] if
// it is not active.
func (t *AloneTx) Life(ctx context.Context, path string) (Life, error) {
	id, err := t.Identity(ctx, path)
	if err != nil {
		return Life{}, err
	}
	l := Life{Path: id.Path, Role: id.Role, Owner: id.Owner, Site: id.Site, Created: id.Created, Attested: id.Attested}
	if id.State != Active {
		return Life{}, fmt.Errorf("%s is not active: %w", path, ErrNotFound)
	}
	var active, ends int64
	if err := t.row(ctx, `SELECT i.active_at FROM identities i WHERE i.path = $1`, []any{path}, &active); err != nil {
		return Life{}, err
	}
	if active > 0 {
		l.Resumed = fromMillis(active)
	}
	var newest []byte
	err = t.row(ctx, `
		SELECT c.serial FROM certificates c
		WHERE c.identity = $1 AND c.method <> 'attestation' ORDER BY c.serial DESC LIMIT 1`, []any{path}, &newest)
	if isNotFound(err) {
		return l, nil
	}
	if err != nil {
		return Life{}, err
	}
	l.Issued = Serial(newest).Time()
	err = t.row(ctx, `
		SELECT COALESCE(MAX(c.not_after), 0) FROM certificates c
		WHERE c.identity = $1 AND c.method <> 'attestation' AND c.not_after > $2
		AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)`, []any{path, t.millis()}, &ends)
	l.Ends = fromMillis(ends)
	return l, err
}

// Sleep demands that the identity is active, and suspends it, by itself. The error is
// [ErrStale].
func (t *Tx) Sleep(path string, why Why) {
	t.demand(1, ErrStale, `
		UPDATE identities SET state = 'suspended', why = $1, revision = revision + 1, changed_at = $2
		WHERE path = $3 AND state = 'active'`, string(why), t.millis(), path)
}

// Attest demands that the identity is there and has no end, and records that its owner
// says so now; and the owner, unless that is empty. The error is [ErrStale].
func (t *Tx) Attest(path, owner string) {
	t.demand(1, ErrStale, `
		UPDATE identities SET attested_at = $1, owner = CASE WHEN $2 = '' THEN owner ELSE $2 END
		WHERE path = $3 AND state <> 'revoked' AND state <> 'retired'`, t.millis(), owner, path)
}

// A LifeCount is what a count of all lives found for a role at a site.
type LifeCount struct {
	Role, Site string
	Counted    time.Time

	Active                    int64 // with a certificate in time
	Stale, Ownerless, Dormant int64 // active all the same

	First   string    // path of who falls first; empty: nobody
	FirstAt time.Time // and when
	Ends    []byte    // how many certificates end when, in a form of the caller's
}

// ReplaceLife puts a count in the place of the last.
func (t *RelaxedTx) ReplaceLife(counts []LifeCount) {
	t.demand(anyRows, nil, `DELETE FROM life`)
	for _, c := range counts {
		var first int64
		if c.First != "" {
			first = c.FirstAt.UnixMilli()
		}
		t.demand(1, ErrExists, `
			INSERT INTO life (role, site, counted_at, active, stale, ownerless, dormant, first, first_at, ends)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			c.Role, c.Site, c.Counted.UnixMilli(), c.Active, c.Stale, c.Ownerless, c.Dormant, c.First, first, append([]byte{}, c.Ends...))
	}
}

// LifeCounts returns the last count, in the order of roles and sites; empty if there is
// none yet.
func (d *DB) LifeCounts(ctx context.Context) ([]LifeCount, error) {
	rows, err := d.reads.query(ctx, `
		SELECT f.role, f.site, f.counted_at, f.active, f.stale, f.ownerless, f.dormant, f.first, f.first_at, f.ends
		FROM life f WHERE f.role >= '' ORDER BY f.role, f.site`)
	if err != nil {
		return nil, fmt.Errorf("reading the count of lives: %w", err)
	}
	defer rows.Close()
	var all []LifeCount
	for rows.Next() {
		var c LifeCount
		var counted, first int64
		if err := rows.Scan(&c.Role, &c.Site, &counted, &c.Active, &c.Stale, &c.Ownerless, &c.Dormant, &c.First, &first, &c.Ends); err != nil {
			return nil, fmt.Errorf("reading the count of lives: %w", err)
		}
		if c.Counted = fromMillis(counted); first > 0 {
			c.FirstAt = fromMillis(first)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}
