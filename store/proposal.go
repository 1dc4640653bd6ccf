package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// A ProposalID is how a proposal is known. It is no secret.
type ProposalID [5]byte

// String returns the id as lower-case hex digits; people see another form of it.
func (id ProposalID) String() string { return hex.EncodeToString(id[:]) }

// A Proposal is something that one person asked for and others have to agree on.
type Proposal struct {
	ID      ProposalID
	Kind    ProposalKind
	Subject string   // what it is about, for lists
	Digest  [32]byte // of what was asked for, and by whom
	Body    []byte   // what was asked for, in JSON; lists leave it out
	Reason  string
	By      string // how the log calls who proposed it

	Created, Expires time.Time

	// State is what was decided. That it has lapsed is for [Proposal.Lapsed] to say.
	State     ProposalState
	DecidedBy string
	Decided   *time.Time // nil: not yet
}

// Lapsed reports whether the proposal's time is over, or, by a clock that was set back,
// has not come.
func (p Proposal) Lapsed(now time.Time) bool { return !now.Before(p.Expires) || now.Before(p.Created) }

// A ProposalKind is what is proposed.
type ProposalKind string

// The kinds of proposals.
const (
	ProposeToken     ProposalKind = "token"     // for a privileged role
	ProposeTombstone ProposalKind = "tombstone" // a token that enrols an identity that was revoked
	ProposePolicy    ProposalKind = "policy"    // that lets more through
	ProposePower     ProposalKind = "power"     // for a time
)

// A ProposalState is how far a proposal has come.
type ProposalState string

// The states of a proposal.
const (
	ProposalOpen     ProposalState = "open"
	ProposalApproved ProposalState = "approved"
	ProposalDenied   ProposalState = "denied"
	ProposalUsed     ProposalState = "used" // what it was for is done
)

// A Consent is one person's word for a proposal.
type Consent struct {
	Path   string // of the person
	Owner  string // who answered for that person then
	Serial Serial // of the certificate that was presented
	At     time.Time
}

// InsertProposal demands that the id is new, and records an open proposal. Its Created
// is the transaction's time. The error is [ErrExists].
func (t *Tx) InsertProposal(p Proposal) {
	t.demand(1, ErrExists, `
		INSERT INTO proposals (id, kind, subject, digest, body, reason, proposer, created_at, expires_at, state, decided_by, decided_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'open', '', 0)
		ON CONFLICT (id) DO NOTHING`,
		p.ID[:], string(p.Kind), p.Subject, p.Digest[:], p.Body, p.Reason, p.By, t.millis(), p.Expires.UnixMilli())
}

// InsertConsent records a person's consent, in the place of an earlier one of the same
// person. Its time is the transaction's.
func (t *Tx) InsertConsent(id ProposalID, c Consent) {
	t.demand(1, ErrExists, `
		INSERT INTO consents (proposal, path, owner, serial, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (proposal, path) DO UPDATE SET owner = excluded.owner, serial = excluded.serial, at = excluded.at`,
		id[:], c.Path, c.Owner, c.Serial[:], t.millis())
}

// MoveProposal demands that the proposal is in state from and in time, and puts it in
// state to. The error is [ErrStale].
func (t *Tx) MoveProposal(id ProposalID, from, to ProposalState, by string) {
	t.demand(1, ErrStale, `
		UPDATE proposals SET state = $1, decided_by = $2, decided_at = $3
		WHERE id = $4 AND state = $5 AND expires_at > $3 AND created_at <= $3`,
		string(to), by, t.millis(), id[:], string(from))
}

// UseProposal demands that the proposal is approved, in time, and of this digest, and
// uses it up. Of any number of callers, on any number of replicas, one succeeds. The error
// is [ErrSpent].
func (t *Tx) UseProposal(id ProposalID, digest [32]byte, by string) {
	t.demand(1, ErrSpent, `
		UPDATE proposals SET state = 'used', decided_by = $1, decided_at = $2
		WHERE id = $3 AND digest = $4 AND state = 'approved' AND expires_at > $2 AND created_at <= $2`,
		by, t.millis(), id[:], digest[:])
}

const (
	proposalColumns = `p.id, p.kind, p.subject, p.digest, p.reason, p.proposer, p.created_at, p.expires_at, p.state, p.decided_by, p.decided_at`

	readProposal = `SELECT ` + proposalColumns + `, p.body FROM proposals p `
	readConsents = `SELECT s.path, s.owner, s.serial, s.at FROM consents s WHERE s.proposal = $1 ORDER BY s.path`
)

// Proposal returns the proposal with this id, or [ErrNotFound], and on PostgreSQL locks
// it until the transaction ends.
func (t *AloneTx) Proposal(ctx context.Context, id ProposalID) (Proposal, error) {
	var r proposalRow
	if err := t.row(ctx, readProposal+`WHERE p.id = $1 {update}`, []any{id[:]}, append(r.dest(), &r.body)...); err != nil {
		return Proposal{}, fmt.Errorf("reading proposal %s: %w", id, err)
	}
	return r.proposal(), nil
}

// ProposalOf returns the newest proposal of this digest, or [ErrNotFound], locked
// likewise.
func (t *AloneTx) ProposalOf(ctx context.Context, digest [32]byte) (Proposal, error) {
	var r proposalRow
	err := t.row(ctx, readProposal+`WHERE p.digest = $1 ORDER BY p.created_at DESC LIMIT 1 {update}`, []any{digest[:]}, append(r.dest(), &r.body)...)
	if err != nil {
		return Proposal{}, fmt.Errorf("reading a proposal by its digest: %w", err)
	}
	return r.proposal(), nil
}

// ProposalsSince returns how many proposals somebody has made since then.
func (t *AloneTx) ProposalsSince(ctx context.Context, by string, since time.Time) (n int, err error) {
	err = t.row(ctx, `SELECT COUNT(*) FROM proposals p WHERE p.proposer = $1 AND p.created_at >= $2`, []any{by, since.UnixMilli()}, &n)
	return n, err
}

// Proposed reports whether anything was ever proposed.
func (t *AloneTx) Proposed(ctx context.Context) (bool, error) {
	var n int
	err := t.row(ctx, `SELECT COUNT(*) FROM (SELECT p.id FROM proposals p LIMIT 1) AS one`, nil, &n)
	return n > 0, err
}

// Consents returns who has agreed, in the order of their paths.
func (t *AloneTx) Consents(ctx context.Context, id ProposalID) ([]Consent, error) {
	rows, err := t.query(ctx, readConsents, id[:])
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	return collectConsents(rows)
}
