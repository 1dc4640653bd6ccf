package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// A Standee is a certificate in time, and what else the store knows of it.
type Standee struct {
	Serial   Serial
	Identity string // path
	NotAfter time.Time
	Method   string
	DER      []byte // good until the next one

	Holder  string // whom its key is on record as; empty: nobody
	State   State  // of the identity; empty: it is not on record
	Revoked bool
}

// Census calls each with up to limit certificates that end after now, in the order of
// their serials from one on, and returns the serial to go on from; more says that there
// may be others. It costs four entries of indexes for each.
func (d *DB) Census(ctx context.Context, now time.Time, after Serial, limit int, each func(*Standee) error) (last Serial, more bool, err error) {
	rows, err := d.reads.query(ctx, `
		SELECT c.serial, c.identity, c.not_after, c.method, c.der,
			(SELECT k.identity FROM keys k WHERE k.spki = c.spki),
			(SELECT i.state FROM identities i WHERE i.path = c.identity),
			(SELECT r.revoked_at FROM revocations r WHERE r.serial = c.serial)
		FROM certificates c
		WHERE c.serial > $1 AND c.not_after + 0 > $2 ORDER BY c.serial LIMIT $3`, after[:], now.UnixMilli(), limit)
	if err != nil {
		return after, false, fmt.Errorf("reading certificates in time: %w", err)
	}
	defer rows.Close()
	n := 0
	var s Standee
	var serial, der sql.RawBytes
	for last = after; rows.Next(); n++ {
		var ends int64
		var holder, state sql.NullString
		var revoked sql.NullInt64
		if err := rows.Scan(&serial, &s.Identity, &ends, &s.Method, &der, &holder, &state, &revoked); err != nil {
			return last, false, fmt.Errorf("reading certificates in time: %w", err)
		}
		copy(last[:], serial)
		s.Serial, s.NotAfter, s.DER = last, fromMillis(ends), der
		s.Holder, s.State, s.Revoked = holder.String, State(state.String), revoked.Valid
		if err := each(&s); err != nil {
			return last, false, err
		}
	}
	return last, n == limit, rows.Err()
}

// A Crowd is an identity that holds more certificates than another.
type Crowd struct {
	Identity string
	Live     int64 // in time and not revoked; those of attestation keys aside
}

// Crowds returns the identities with more than most certificates in time that are not
// revoked, in the order of their paths: at most limit of those that have more in time at
// all. It reads an index entry for each certificate on record.
func (d *DB) Crowds(ctx context.Context, now time.Time, most int64, limit int) ([]Crowd, error) {
	rows, err := d.reads.query(ctx, `
		SELECT c.identity, COUNT(*) FROM certificates c
		WHERE c.identity > '' AND c.not_after > $1 AND c.method <> 'attestation'
		GROUP BY c.identity HAVING COUNT(*) > $2 ORDER BY c.identity LIMIT $3`, now.UnixMilli(), most, limit)
	if err != nil {
		return nil, fmt.Errorf("counting certificates by identity: %w", err)
	}
	defer rows.Close()
	var found []Crowd
	for rows.Next() {
		var c Crowd
		if err := rows.Scan(&c.Identity, &c.Live); err != nil {
			return nil, fmt.Errorf("counting certificates by identity: %w", err)
		}
		found = append(found, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("counting certificates by identity: %w", err)
	}
	crowds := found[:0]
	for _, c := range found {
		err := d.reads.row(ctx, `
			SELECT COUNT(*) FROM certificates c
			WHERE c.identity = $1 AND c.not_after > $2 AND c.method <> 'attestation'
			AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial)`, []any{c.Identity, now.UnixMilli()}, &c.Live)
		if err != nil {
			return nil, fmt.Errorf("counting the certificates of %s: %w", c.Identity, err)
		}
		if c.Live > most {
			crowds = append(crowds, c)
		}
	}
	return crowds, nil
}
