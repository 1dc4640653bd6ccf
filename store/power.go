package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// ErrOver means that a power has ended.
var ErrOver = errors.New("store: the power has ended")

// A PowerID is how a power is known. It is no secret; of one that was proposed it is the
// proposal's.
type PowerID [5]byte

// String returns the id as lower-case hex digits; people see another form of it.
func (id PowerID) String() string { return hex.EncodeToString(id[:]) }

// A Power is a right that a person has for a time, or had.
type Power struct {
	ID     PowerID
	Person string // path
	Owner  string // who answered for that person then
	Kind   PowerKind
	Right  string
	Reason string
	By     string // who agreed, paths joined by a space; empty: nobody

	Begun, Ends time.Time
	Uses        int64      // calls that changed something by it
	Ended       *time.Time // nil: not yet, though its time may be over
	EndedBy     string

	Reviewed         *time.Time // nil: not yet
	ReviewedBy, Word string
}

// Live reports whether the power can be used at that time. One from the future, by a
// clock that was set back, cannot.
func (p Power) Live(now time.Time) bool {
	return p.Ended == nil && !now.Before(p.Begun) && now.Before(p.Ends)
}

// A PowerKind is how a power came to be.
type PowerKind string

// The kinds of powers.
const (
	PowerGrant      PowerKind = "grant"       // somebody else agreed
	PowerBreakGlass PowerKind = "break-glass" // taken in an emergency
)

// InsertPower demands that the id is new, and records a power that begins now. The error
// is [ErrExists].
func (t *Tx) InsertPower(p Power) {
	t.demand(1, ErrExists, `
		INSERT INTO powers (id, person, owner, kind, power, reason, granted_by, begun_at, ends_at, uses, ended_at, ended_by, reviewed_at, reviewed_by, word)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, '', 0, '', '')
		ON CONFLICT (id) DO NOTHING`,
		p.ID[:], p.Person, p.Owner, string(p.Kind), p.Right, p.Reason, p.By, t.millis(), p.Ends.UnixMilli())
}

// UsePower demands that the power is this person's and live, and counts the use. The
// error is [ErrOver].
func (t *Tx) UsePower(id PowerID, person string) {
	t.demand(1, ErrOver, `
		UPDATE powers SET uses = uses + 1
		WHERE id = $1 AND person = $2 AND ended_at = 0 AND begun_at <= $3 AND ends_at > $3`,
		id[:], person, t.millis())
}

// EndPower demands that the power was not ended, and ends it. The error is [ErrOver].
func (t *Tx) EndPower(id PowerID, by string) {
	t.demand(1, ErrOver, `
		UPDATE powers SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at = 0`,
		t.millis(), by, id[:])
}

// CutPowers has the powers of a person be over, if there are any: they are of no use from
// now on, and [DB.PowersOver] has them.
func (t *Tx) CutPowers(path string) {
	t.demand(anyRows, nil, `UPDATE powers SET ends_at = $1 WHERE person = $2 AND ends_at > $1 AND ended_at = 0`, t.millis(), path)
}

// ReviewPower demands that the power has ended and nobody has looked at it, and records
// what somebody says who has. The error is [ErrStale].
func (t *Tx) ReviewPower(id PowerID, by, word string) {
	t.demand(1, ErrStale, `
		UPDATE powers SET reviewed_at = $1, reviewed_by = $2, word = $3
		WHERE id = $4 AND reviewed_at = 0 AND ended_at > 0`,
		t.millis(), by, word, id[:])
}

const readPower = `
	SELECT p.id, p.person, p.owner, p.kind, p.power, p.reason, p.granted_by, p.begun_at, p.ends_at, p.uses, p.ended_at, p.ended_by,
		p.reviewed_at, p.reviewed_by, p.word
	FROM powers p `

// Power returns the power with this id, or [ErrNotFound], and on PostgreSQL locks it
// until the transaction ends.
func (t *AloneTx) Power(ctx context.Context, id PowerID) (Power, error) {
	var r powerRow
	if err := t.row(ctx, readPower+`WHERE p.id = $1 {update}`, []any{id[:]}, r.dest()...); err != nil {
		return Power{}, fmt.Errorf("reading power %s: %w", id, err)
	}
	return r.power(), nil
}

// PowersOf returns the powers of a person that were not ended and whose time is not over.
func (t *AloneTx) PowersOf(ctx context.Context, person string) ([]Power, error) {
	rows, err := t.query(ctx, powersOf, person, t.millis())
	if err != nil {
		return nil, fmt.Errorf("reading powers of %s: %w", person, err)
	}
	return collectPowers(rows)
}

const powersOf = readPower + `WHERE p.person = $1 AND p.ends_at > $2 AND p.ended_at = 0 ORDER BY p.ends_at`
