package store

import (
	"context"
	"database/sql"
	"fmt"
)

// Proposal returns the proposal with this id, or [ErrNotFound].
func (d *DB) Proposal(ctx context.Context, id ProposalID) (Proposal, error) {
	var r proposalRow
	if err := d.reads.row(ctx, readProposal+`WHERE p.id = $1`, []any{id[:]}, append(r.dest(), &r.body)...); err != nil {
		return Proposal{}, fmt.Errorf("reading proposal %s: %w", id, err)
	}
	return r.proposal(), nil
}

// Consents returns who has agreed to a proposal, in the order of their paths.
func (d *DB) Consents(ctx context.Context, id ProposalID) ([]Consent, error) {
	rows, err := d.reads.query(ctx, readConsents, id[:])
	if err != nil {
		return nil, fmt.Errorf("reading consents: %w", err)
	}
	return collectConsents(rows)
}

// Proposals lists proposals, the newest first; with open only those that are open or
// approved, and in time. It follows an index, and passes over what it is not asked for.
func (d *DB) Proposals(ctx context.Context, open bool, p Page) ([]Proposal, string, error) {
	before, beforeID := int64(1<<62), []byte{}
	switch after, err := p.key(8 + len(ProposalID{})); {
	case err != nil:
		return nil, "", err
	case after != nil:
		before, beforeID = splitNumbered(after)
	}
	var now int64
	if open {
		now = d.cfg.Now().UnixMilli()
	}
	rows, err := d.reads.query(ctx, `
		SELECT `+proposalColumns+` FROM proposals p
		WHERE (p.created_at, p.id) < ($1, $2)
		AND (CAST($3 AS BIGINT) = 0 OR p.state IN ('open', 'approved') AND p.expires_at > $3 AND p.created_at <= $3)
		ORDER BY p.created_at DESC, p.id DESC LIMIT $4`, before, beforeID, now, p.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("listing proposals: %w", err)
	}
	defer rows.Close()
	var list []Proposal
	for rows.Next() {
		var r proposalRow
		if err := rows.Scan(r.dest()...); err != nil {
			return nil, "", fmt.Errorf("listing proposals: %w", err)
		}
		list = append(list, r.proposal())
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("listing proposals: %w", err)
	}
	list, next := cut(list, p.limit(), func(p Proposal) []byte { return numbered(p.Created.UnixMilli(), p.ID[:]) })
	return list, next, nil
}

// A proposalRow is a proposal as the database has it.
type proposalRow struct {
	id, digest, body                                  []byte
	kind, subject, reason, proposer, state, decidedBy string
	created, expires, decided                         int64
}

// dest returns where proposalColumns are scanned to.
func (r *proposalRow) dest() []any {
	return []any{&r.id, &r.kind, &r.subject, &r.digest, &r.reason, &r.proposer, &r.created, &r.expires, &r.state, &r.decidedBy, &r.decided}
}

func (r *proposalRow) proposal() Proposal {
	p := Proposal{
		Kind: ProposalKind(r.kind), Subject: r.subject, Body: r.body, Reason: r.reason, By: r.proposer,
		Created: fromMillis(r.created), Expires: fromMillis(r.expires), State: ProposalState(r.state), DecidedBy: r.decidedBy,
	}
	copy(p.ID[:], r.id)
	copy(p.Digest[:], r.digest)
	if r.decided != 0 {
		at := fromMillis(r.decided)
		p.Decided = &at
	}
	return p
}

func collectConsents(rows *sql.Rows) ([]Consent, error) {
	defer rows.Close()
	var all []Consent
	for rows.Next() {
		var c Consent
		var serial []byte
		var at int64
		if err := rows.Scan(&c.Path, &c.Owner, &serial, &at); err != nil {
			return nil, fmt.Errorf("reading consents: %w", err)
		}
		copy(c.Serial[:], serial)
		c.At = fromMillis(at)
		all = append(all, c)
	}
	return all, rows.Err()
}
