package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// An Order asks for one certificate (RFC 8555, Section 7.1.3).
type Order struct {
	ID       OrderID
	Account  AccountID
	Identity string // path of the identity that the certificate will be for

	Status      OrderStatus
	Identifiers []OrderIdentifier
	Profile     string  // that the client named; empty: none
	Replaces    *Serial // the certificate that it is to replace (RFC 9773, Section 5); nil: none

	Created, Expires time.Time // of the order; a certificate outlives it

	Serial *Serial // of the certificate; nil: none yet
	Error  []byte  // why it is invalid: a problem document; empty: not said

	Authorizations []AuthorizationID // at least one
}

// An Identifier is what an authorization is about.
type Identifier struct {
	Type  string `json:"type"`  // "dns", "ip" (RFC 8738) or "permanent-identifier"
	Value string `json:"value"` // a name in lower case without "*."; an address in netip.Addr's text form
}

// An OrderIdentifier is an identifier as an order has it.
type OrderIdentifier struct {
	Identifier
	Wildcard bool `json:"wildcard,omitempty"` // "*." stands before the name
}

// An OrderStatus is what is recorded of an order's status. Whether an open order is
// pending or ready, or has expired, follows from its authorizations and the time.
type OrderStatus string

// The statuses of an order. Nothing leads back to open.
const (
	OrderOpen    OrderStatus = "open"
	OrderValid   OrderStatus = "valid" // it has its certificate
	OrderInvalid OrderStatus = "invalid"
)

// InsertOrder records an open order, the new ones among its authorizations, and
// which authorizations it rests on, old and new, in their order. It demands that
// no order replaces the same certificate that is valid, or can still become so; the
// error is [ErrExists].
func (t *RelaxedTx) InsertOrder(o Order, fresh []Authorization) {
	if o.Replaces != nil { // orders that came to nothing give the certificate free
		t.demand(anyRows, nil, `
			UPDATE acme_orders SET replaces = NULL
			WHERE replaces = $1 AND (status = 'invalid' OR status = 'open' AND (expires_at <= $2 OR EXISTS (
				SELECT 1 FROM acme_order_authorizations l JOIN acme_authorizations z ON z.id = l.authorization_id
				WHERE l.order_id = acme_orders.id AND z.status IN ('invalid', 'deactivated'))))`,
			o.Replaces.arg(), t.millis())
	}
	identifiers, err := json.Marshal(o.Identifiers)
	if err != nil {
		panic(err) // strings always marshal
	}
	t.demand(1, ErrExists, `
		INSERT INTO acme_orders (id, account, identity, status, identifiers, profile, replaces, created_at, expires_at, remove_at)
		VALUES ($1, $2, $3, 'open', $4, $5, $6, $7, $8, $9)
		ON CONFLICT DO NOTHING`,
		o.ID[:], o.Account[:], o.Identity, string(identifiers), o.Profile, o.Replaces.arg(), t.millis(), o.Expires.UnixMilli(),
		o.Expires.Add(keepExpired).UnixMilli())
	for _, a := range fresh {
		t.insertAuthorization(a)
	}
	for i, id := range o.Authorizations {
		t.demand(1, ErrExists, `
			INSERT INTO acme_order_authorizations (order_id, position, authorization_id) VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING`, o.ID[:], i, id[:])
	}
}

const completeOrder = `
	UPDATE acme_orders AS o SET status = 'valid', serial = $1, remove_at = o.expires_at + $2
	WHERE o.id = $3 AND o.status = 'open' AND o.expires_at > $4
	AND EXISTS (
		SELECT 1 FROM acme_accounts a WHERE a.id = o.account AND a.status = 'valid'
		AND (a.token IS NULL OR EXISTS (SELECT 1 FROM tokens t WHERE t.id = a.token AND t.revoked_at IS NULL {share of t}))
		{share of a})
	AND (
		SELECT COUNT(*) FILTER (WHERE s.status = 'valid' AND s.expires_at > $4) FROM (
			SELECT z.status, z.expires_at
			FROM acme_order_authorizations l JOIN acme_authorizations z ON z.id = l.authorization_id
			WHERE l.order_id = $3 {share of z}) AS s
	) = NULLIF((SELECT COUNT(*) FROM acme_order_authorizations l WHERE l.order_id = $3), 0)`

// CompleteOrder demands that the order is open and in time, its account valid and
// the account's token, if it has one, not revoked, and its authorizations, at least
// one, all valid and in time; and makes it valid with the certificate that the same
// call inserts. The error is [ErrSpent]: of any number of callers, on any number of
// replicas, one succeeds.
//
// Whoever revokes the token, ends the account or deactivates an authorization, and
// commits first, wins.
func (t *Tx) CompleteOrder(id OrderID, serial Serial) {
	t.demand(1, ErrSpent, completeOrder,
		serial[:], keepValid.Milliseconds(), id[:], t.millis())
}

// InvalidateOrder demands that the order is open, and ends it. The error is
// [ErrStale].
func (t *RelaxedTx) InvalidateOrder(id OrderID, problem []byte) {
	t.demand(1, ErrStale, `
		UPDATE acme_orders SET status = 'invalid', error = $1 WHERE id = $2 AND status = 'open'`,
		optional(problem), id[:])
}

const orderColumns = `o.id, o.account, o.identity, o.status, o.identifiers, o.profile, o.replaces, o.created_at, o.expires_at, o.serial, o.error`

// Order returns the order with this id, or [ErrNotFound].
func (d *DB) Order(ctx context.Context, id OrderID) (Order, error) {
	o, err := d.order(ctx, id)
	if err != nil {
		return Order{}, err
	}
	rows, err := d.reads.query(ctx, `
		SELECT l.authorization_id FROM acme_order_authorizations l WHERE l.order_id = $1 ORDER BY l.position`, id[:])
	if err != nil {
		return Order{}, fmt.Errorf("reading order %s: %w", id, err)
	}
	o.Authorizations, err = collectIDs(rows, func(b []byte) AuthorizationID { return AuthorizationID(b) })
	if err != nil {
		return Order{}, fmt.Errorf("reading order %s: %w", id, err)
	}
	return o, nil
}

// OrderWithAuthorizations returns the order with this id and its authorizations,
// or [ErrNotFound]. Authorizations that were pruned are missing: an order that is
// open and has fewer of them than ids can no longer be completed.
func (d *DB) OrderWithAuthorizations(ctx context.Context, id OrderID) (Order, []Authorization, error) {
	rows, err := d.reads.query(ctx, `
		SELECT `+orderColumns+`, l.authorization_id, `+authorizationColumns+`
		FROM acme_order_authorizations l
		JOIN acme_orders o ON o.id = l.order_id
		LEFT JOIN acme_authorizations z ON z.id = l.authorization_id
		WHERE l.order_id = $1 ORDER BY l.position`, id[:])
	if err != nil {
		return Order{}, nil, fmt.Errorf("reading order %s: %w", id, err)
	}
	defer rows.Close()
	var of orderRow // the same in every row
	var links []AuthorizationID
	var authorizations []Authorization
	for rows.Next() {
		var link []byte
		var r authorizationRow
		if err := rows.Scan(slices.Concat(of.dest(), []any{&link}, r.dest())...); err != nil {
			return Order{}, nil, fmt.Errorf("reading order %s: %w", id, err)
		}
		links = append(links, AuthorizationID(link))
		if r.id != nil {
			authorizations = append(authorizations, r.authorization())
		}
	}
	if err := rows.Err(); err != nil {
		return Order{}, nil, fmt.Errorf("reading order %s: %w", id, err)
	}
	if of.id == nil {
		return Order{}, nil, fmt.Errorf("reading order %s: %w", id, ErrNotFound)
	}
	o, err := of.order()
	o.Authorizations = links
	return o, authorizations, err
}

// Orders lists the account's orders that are valid, or open and in time, the
// newest first.
func (d *DB) Orders(ctx context.Context, account AccountID, p Page) ([]OrderID, string, error) {
	before, err := p.key(len(OrderID{}))
	if err != nil {
		return nil, "", err
	}
	if before == nil {
		before = bytes.Repeat([]byte{0xff}, len(OrderID{})) // no id is as high: its time would be in the year 10889
	}
	rows, err := d.reads.query(ctx, `
		SELECT o.id FROM acme_orders o
		WHERE o.account = $1 AND o.id < $2 AND (o.status = 'valid' OR o.status = 'open' AND o.expires_at > $3)
		ORDER BY o.id DESC LIMIT $4`, account[:], before, d.cfg.Now().UnixMilli(), p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing orders of account %s: %w", account, err)
	}
	ids, err := collectIDs(rows, func(b []byte) OrderID { return OrderID(b) })
	if err != nil {
		return nil, "", fmt.Errorf("listing orders of account %s: %w", account, err)
	}
	ids, next := cut(ids, p.limit(), func(id OrderID) []byte { return id[:] })
	return ids, next, nil
}

// order returns the order without its authorizations.
func (d *DB) order(ctx context.Context, id OrderID) (Order, error) {
	var r orderRow
	err := d.reads.row(ctx, `SELECT `+orderColumns+` FROM acme_orders o WHERE o.id = $1`, []any{id[:]}, r.dest()...)
	if err != nil {
		return Order{}, fmt.Errorf("reading order %s: %w", id, err)
	}
	return r.order()
}

// An orderRow is an order as the database has it.
type orderRow struct {
	id, account, replaces, serial, problem []byte
	identity, status, profile              string
	identifiers                            []byte
	created, expires                       int64
}

// dest returns where orderColumns are scanned to.
func (r *orderRow) dest() []any {
	return []any{&r.id, &r.account, &r.identity, &r.status, &r.identifiers, &r.profile, &r.replaces, &r.created, &r.expires, &r.serial, &r.problem}
}

func (r *orderRow) order() (Order, error) {
	o := Order{
		Identity: r.identity, Status: OrderStatus(r.status), Profile: r.profile, Replaces: nullSerial(r.replaces),
		Created: fromMillis(r.created), Expires: fromMillis(r.expires), Serial: nullSerial(r.serial), Error: r.problem,
	}
	copy(o.ID[:], r.id)
	copy(o.Account[:], r.account)
	if err := json.Unmarshal(r.identifiers, &o.Identifiers); err != nil {
		return Order{}, fmt.Errorf("reading order %s: identifiers: %w", o.ID, err)
	}
	return o, nil
}
