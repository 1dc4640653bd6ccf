package store

import (
	"context"
	"fmt"
	"time"
)

// AddIssuer has an issuing certificate on record by its subject key identifier in
// hex, durably: without that nothing of its can be recorded. It does nothing if the
// issuer is known. Issuers are never removed.
func (d *DB) AddIssuer(ctx context.Context, keyID string) error {
	known, err := d.knowsIssuer(ctx, keyID)
	for !known && err == nil { // another process may take the id at this moment
		err = d.quiet(ctx, func(_ context.Context, tx *AloneTx) error {
			tx.demand(anyRows, nil, `
				INSERT INTO issuers (id, key_id)
				SELECT COALESCE(MAX(s.id), 0) + 1, $1 FROM issuers s
				WHERE TRUE ON CONFLICT DO NOTHING`, keyID)
			return tx.err
		})
		if err == nil {
			known, err = d.knowsIssuer(ctx, keyID)
		}
	}
	if err != nil {
		return fmt.Errorf("recording issuer %s: %w", keyID, err)
	}
	return nil
}

func (d *DB) knowsIssuer(ctx context.Context, keyID string) (bool, error) {
	var id int64
	err := d.reads.row(ctx, `SELECT s.id FROM issuers s WHERE s.key_id = $1`, []any{keyID}, &id)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// IssuerCount is how much of an issuer's ends after some time.
type IssuerCount struct {
	Live    int64     // certificates, revoked or not
	Revoked int64     // certificates that are revoked
	Last    time.Time // when its last certificate ends
}

// LiveIssuers says which issuers have certificates that end after a time. It looks for
// one of each, those first that end first.
func (d *DB) LiveIssuers(ctx context.Context, after time.Time) (map[string]bool, error) {
	rows, err := d.reads.query(ctx, `
		SELECT s.key_id FROM issuers s
		WHERE (SELECT c.issuer FROM certificates c WHERE c.not_after > $1 AND +c.issuer = s.id ORDER BY c.not_after, c.serial LIMIT 1) IS NOT NULL
		ORDER BY s.key_id`, after.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("looking for issuers that have certificates: %w", err)
	}
	defer rows.Close()
	live := map[string]bool{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, fmt.Errorf("looking for issuers that have certificates: %w", err)
		}
		live[key] = true
	}
	return live, rows.Err()
}

// CountByIssuer counts the certificates that are in time, by issuer. Issuers that have
// nothing are absent. Like [DB.Counts], it reads an index entry for each certificate,
// and is some minutes old in a large store. The map is not to be changed.
func (d *DB) CountByIssuer(ctx context.Context) (map[string]IssuerCount, error) {
	return d.byIssuer.get(ctx, &d.counting, func(ctx context.Context) (map[string]IssuerCount, error) {
		return d.countByIssuer(ctx, d.cfg.Now())
	})
}

func (d *DB) countByIssuer(ctx context.Context, after time.Time) (map[string]IssuerCount, error) {
	counts := map[string]IssuerCount{}
	for _, read := range []struct {
		query string
		add   func(c *IssuerCount, n, last int64)
	}{
		{`
			SELECT s.key_id, n.live, n.last FROM issuers s JOIN (
				SELECT c.issuer, COUNT(*) AS live, MAX(c.not_after) AS last FROM certificates c WHERE c.not_after > $1 GROUP BY c.issuer
			) n ON n.issuer = s.id`,
			func(c *IssuerCount, n, last int64) { c.Live, c.Last = n, fromMillis(last) }},
		{`
			SELECT s.key_id, n.revoked, n.last FROM issuers s JOIN (
				SELECT r.issuer, COUNT(*) AS revoked, MAX(r.not_after) AS last FROM revocations r WHERE r.not_after > $1 GROUP BY r.issuer
			) n ON n.issuer = s.id`,
			func(c *IssuerCount, n, _ int64) { c.Revoked = n }},
	} {
		rows, err := d.reads.query(ctx, read.query, after.UnixMilli())
		if err != nil {
			return nil, fmt.Errorf("counting by issuer: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var n, last int64
			if err := rows.Scan(&key, &n, &last); err != nil {
				return nil, fmt.Errorf("counting by issuer: %w", err)
			}
			c := counts[key]
			read.add(&c, n, last)
			counts[key] = c
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("counting by issuer: %w", err)
		}
	}
	return counts, nil
}

// CountReplaced counts, by issuer, what is in time and not revoked, yet nobody's
// certificate any more: it was renewed, or is of a role whose identities get a new one
// at each start, the same role in every call. It reads two index entries for each
// certificate, and is some minutes old in a large store. The map is not to be changed.
func (d *DB) CountReplaced(ctx context.Context, role string) (map[string]int64, error) {
	return d.replaced.get(ctx, &d.counting, func(ctx context.Context) (map[string]int64, error) {
		return d.countReplaced(ctx, d.cfg.Now(), role)
	})
}

func (d *DB) countReplaced(ctx context.Context, after time.Time, role string) (map[string]int64, error) {
	counts := map[string]int64{}
	for _, read := range []struct {
		query string
		args  []any
	}{
		{`
			SELECT s.key_id, n.replaced FROM issuers s JOIN (
				SELECT c.issuer, COUNT(*) AS replaced FROM certificates c
				WHERE c.not_after > $1 AND EXISTS (SELECT 1 FROM lineage l WHERE l.parent = c.serial)
				AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)
				GROUP BY c.issuer
			) n ON n.issuer = s.id`, []any{after.UnixMilli()}},
		{`
			SELECT s.key_id, n.own FROM issuers s JOIN (
				SELECT c.issuer, COUNT(*) AS own FROM certificates c
				WHERE c.identity > $1 AND c.identity < $2 AND c.not_after > $3 AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)
				GROUP BY c.issuer
			) n ON n.issuer = s.id`, []any{role + "/", role + "0", after.UnixMilli()}}, // 0 follows on /
	} {
		rows, err := d.reads.query(ctx, read.query, read.args...)
		if err != nil {
			return nil, fmt.Errorf("counting what was replaced: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var key string
			var n int64
			if err := rows.Scan(&key, &n); err != nil {
				return nil, fmt.Errorf("counting what was replaced: %w", err)
			}
			counts[key] += n
		}
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("counting what was replaced: %w", err)
		}
	}
	return counts, nil
}
