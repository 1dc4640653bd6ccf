package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Power returns the power with this id, or [ErrNotFound].
func (d *DB) Power(ctx context.Context, id PowerID) (Power, error) {
	var r powerRow
	if err := d.reads.row(ctx, readPower+`WHERE p.id = $1`, []any{id[:]}, r.dest()...); err != nil {
		return Power{}, fmt.Errorf("reading power %s: %w", id, err)
	}
	return r.power(), nil
}

// PowersOf returns the powers that a person has at this moment.
func (d *DB) PowersOf(ctx context.Context, person string) ([]Power, error) {
	now := d.cfg.Now()
	all, err := d.powers(ctx, powersOf, person, now.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("reading powers of %s: %w", person, err)
	}
	live := all[:0]
	for _, p := range all {
		if p.Live(now) {
			live = append(live, p)
		}
	}
	return live, nil
}

// PowersOver returns powers whose time is over and that were not ended, at most so many.
func (d *DB) PowersOver(ctx context.Context, limit int) ([]Power, error) {
	all, err := d.powers(ctx, readPower+`WHERE p.ends_at <= $1 AND p.ended_at = 0 ORDER BY p.ends_at, p.id LIMIT $2`, d.cfg.Now().UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("reading powers that are over: %w", err)
	}
	return all, nil
}

// PowersUnreviewed returns the emergency powers that began before then and that nobody
// has looked at, the oldest first, at most so many.
func (d *DB) PowersUnreviewed(ctx context.Context, before time.Time, limit int) ([]Power, error) {
	all, err := d.powers(ctx, readPower+`
		WHERE p.begun_at < $1 AND p.kind = 'break-glass' AND p.reviewed_at = 0 ORDER BY p.begun_at, p.id LIMIT $2`, before.UnixMilli(), limit)
	if err != nil {
		return nil, fmt.Errorf("reading powers without a review: %w", err)
	}
	return all, nil
}

// Powers lists powers, the newest first; with live only those that can be used now.
func (d *DB) Powers(ctx context.Context, live bool, p Page) ([]Power, string, error) {
	before, beforeID := int64(1<<62), []byte{}
	switch after, err := p.key(8 + len(PowerID{})); {
	case err != nil:
		return nil, "", err
	case after != nil:
		before, beforeID = splitNumbered(after)
	}
	var now int64
	if live {
		now = d.cfg.Now().UnixMilli()
	}
	list, err := d.powers(ctx, readPower+`
		WHERE (p.begun_at, p.id) < ($1, $2)
		AND (CAST($3 AS BIGINT) = 0 OR p.ended_at = 0 AND p.begun_at <= $3 AND p.ends_at > $3)
		ORDER BY p.begun_at DESC, p.id DESC LIMIT $4`, before, beforeID, now, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing powers: %w", err)
	}
	list, next := cut(list, p.limit(), func(p Power) []byte { return numbered(p.Begun.UnixMilli(), p.ID[:]) })
	return list, next, nil
}

func (d *DB) powers(ctx context.Context, query string, args ...any) ([]Power, error) {
	rows, err := d.reads.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return collectPowers(rows)
}

func collectPowers(rows *sql.Rows) ([]Power, error) {
	defer rows.Close()
	var all []Power
	for rows.Next() {
		var r powerRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, err
		}
		all = append(all, r.power())
	}
	return all, rows.Err()
}

// A powerRow is a power as the database has it.
type powerRow struct {
	id                                                              []byte
	person, owner, kind, right, reason, by, endedBy, reviewer, word string
	begun, ends, uses, ended, reviewed                              int64
}

// dest returns where the columns of readPower are scanned to.
func (r *powerRow) dest() []any {
	return []any{&r.id, &r.person, &r.owner, &r.kind, &r.right, &r.reason, &r.by, &r.begun, &r.ends, &r.uses, &r.ended, &r.endedBy,
		&r.reviewed, &r.reviewer, &r.word}
}

func (r *powerRow) power() Power {
	p := Power{
		Person: r.person, Owner: r.owner, Kind: PowerKind(r.kind), Right: r.right, Reason: r.reason, By: r.by,
		Begun: fromMillis(r.begun), Ends: fromMillis(r.ends), Uses: r.uses, EndedBy: r.endedBy, ReviewedBy: r.reviewer, Word: r.word,
	}
	copy(p.ID[:], r.id)
	if r.ended != 0 {
		at := fromMillis(r.ended)
		p.Ended = &at
	}
	if r.reviewed != 0 {
		at := fromMillis(r.reviewed)
		p.Reviewed = &at
	}
	return p
}
