package store

import (
	"context"
	"fmt"
	"time"
)

const requestColumns = `q.id, q.spki, q.csr, q.nonce, q.code, q.role, q.network, q.address, q.proofs, q.created_at, q.expires_at, q.state, q.identity, q.replaces, q.decided_by, q.decided_at`

// Request returns the request with this id, or [ErrNotFound].
func (d *DB) Request(ctx context.Context, id RequestID) (Request, error) {
	var r requestRow
	err := d.reads.row(ctx, `SELECT `+requestColumns+` FROM requests q WHERE q.id = $1`, []any{id[:]}, r.dest()...)
	if err != nil {
		return Request{}, fmt.Errorf("reading request %s: %w", id, err)
	}
	return r.request(), nil
}

// RequestByKey returns the request of the public key with this SHA-256, or
// [ErrNotFound].
func (d *DB) RequestByKey(ctx context.Context, spki [32]byte) (Request, error) {
	var r requestRow
	err := d.reads.row(ctx, `SELECT `+requestColumns+` FROM requests q WHERE q.spki = $1`, []any{spki[:]}, r.dest()...)
	if err != nil {
		return Request{}, fmt.Errorf("reading request by key: %w", err)
	}
	return r.request(), nil
}

// A RequestFilter selects requests; the zero filter selects all.
type RequestFilter struct {
	Code string // as the machine shows it
	Role string // asked for
	Open bool   // only those that wait, and are in time
}

// Requests lists requests, the newest first. It follows an index, and passes over what
// it is not asked for: there are never many.
func (d *DB) Requests(ctx context.Context, f RequestFilter, p Page) ([]Request, string, error) {
	before, beforeID := int64(1<<62), []byte{}
	switch after, err := p.key(8 + len(RequestID{})); {
	case err != nil:
		return nil, "", err
	case after != nil:
		before, beforeID = splitNumbered(after)
	}
	var open int64
	if f.Open {
		open = d.cfg.Now().UnixMilli()
	}
	rows, err := d.reads.query(ctx, `
		SELECT `+requestColumns+` FROM requests q
		WHERE (q.created_at, q.id) < ($1, $2) AND ($3 = '' OR q.code = $3) AND ($4 = '' OR q.role = $4)
		AND (CAST($5 AS BIGINT) = 0 OR q.state = 'waiting' AND q.expires_at > $5)
		ORDER BY q.created_at DESC, q.id DESC LIMIT $6`, before, beforeID, f.Code, f.Role, open, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing requests: %w", err)
	}
	defer rows.Close()
	var list []Request
	for rows.Next() {
		var r requestRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, "", fmt.Errorf("listing requests: %w", err)
		}
		list = append(list, r.request())
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("listing requests: %w", err)
	}
	list, next := cut(list, p.limit(), func(q Request) []byte { return numbered(q.Created.UnixMilli(), q.ID[:]) })
	return list, next, nil
}

// A Queue says how many requests wait, and when the first of them lapses; the zero time
// if there is none.
type Queue struct {
	Waiting int
	First   time.Time
}

// NetworkQueue returns the queue of a network.
func (d *DB) NetworkQueue(ctx context.Context, network string) (Queue, error) {
	return d.queue(ctx, `
		SELECT count(*), COALESCE(min(q.expires_at), 0) FROM requests q
		WHERE q.state = 'waiting' AND q.network = $1 AND q.expires_at > $2`, network, d.millis())
}

// SiteQueue returns the queue of the site that a network is of, by the network's name; the
// zero Queue if it is of none.
func (d *DB) SiteQueue(ctx context.Context, network string) (Queue, error) {
	from, to := siteOf(network)
	return d.queue(ctx, `
		SELECT count(*), COALESCE(min(q.expires_at), 0) FROM requests q
		WHERE q.state = 'waiting' AND q.network >= $1 AND q.network < $2 AND q.expires_at > $3`, from, to, d.millis())
}

// RoleQueue returns the queue of a role.
func (d *DB) RoleQueue(ctx context.Context, role string) (Queue, error) {
	return d.queue(ctx, `
		SELECT count(*), COALESCE(min(q.expires_at), 0) FROM requests q
		WHERE q.state = 'waiting' AND q.role = $1 AND q.expires_at > $2`, role, d.millis())
}

func (d *DB) millis() int64 { return d.cfg.Now().UnixMilli() }

func (d *DB) queue(ctx context.Context, query string, args ...any) (Queue, error) {
	var n, first int64
	if err := d.reads.row(ctx, query, args, &n, &first); err != nil {
		return Queue{}, fmt.Errorf("counting requests: %w", err)
	}
	if n == 0 {
		return Queue{}, nil
	}
	return Queue{Waiting: int(n), First: fromMillis(first)}, nil
}

// A requestRow is a request as the database has it.
type requestRow struct {
	id, spki, csr, nonce                 []byte
	code, role, network, address, proofs string
	state, identity, decidedBy           string
	replaces                             bool
	created, expires, decided            int64
}

// dest returns where requestColumns are scanned to.
func (r *requestRow) dest() []any {
	return []any{&r.id, &r.spki, &r.csr, &r.nonce, &r.code, &r.role, &r.network, &r.address, &r.proofs, &r.created, &r.expires,
		&r.state, &r.identity, &r.replaces, &r.decidedBy, &r.decided}
}

func (r *requestRow) request() Request {
	q := Request{
		CSR: r.csr, Nonce: r.nonce, Code: r.code, Role: r.role, Network: r.network, Address: r.address, Proofs: r.proofs,
		Created: fromMillis(r.created), Expires: fromMillis(r.expires),
		State: RequestState(r.state), Identity: r.identity, Replace: r.replaces, DecidedBy: r.decidedBy,
	}
	copy(q.ID[:], r.id)
	copy(q.SPKI[:], r.spki)
	if r.decided != 0 {
		at := fromMillis(r.decided)
		q.Decided = &at
	}
	return q
}
