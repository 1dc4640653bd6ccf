package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// An AuditFilter selects entries of the audit log; the zero filter selects all.
type AuditFilter struct {
	Actor   string
	Subject string
	Action  string
	Since   time.Time // included; zero: from the first
	Until   time.Time // excluded; zero: to the last

	// Encoded leaves the details of entries in [audit.Event.Encoded], for who passes them on.
	Encoded bool
}

// maxOpened bounds the entries that one call opens to find those that match.
const maxOpened = 5000

// AuditEntries lists entries of the log, opened, the newest first. Blind indexes
// find the entries of a party, those of a time beginning where the log has it, and the
// rest of the filter is applied to what they find: a part may hold fewer entries than
// asked for, even none, and yet have a cursor that goes on.
//
// An entry whose data key was destroyed is listed with what is in clear. So is
// one that does not open because somebody changed it, and its outcome says so;
// what else was done to the log is for [audit.Verify] to find.
func (d *DB) AuditEntries(ctx context.Context, f AuditFilter, p Page) ([]audit.Entry, string, error) {
	after, err := p.key(16)
	if err != nil {
		return nil, "", err
	}
	at, seq := int64(math.MaxInt64), int64(math.MaxInt64)
	var within span
	if f.party() != "" {
		if within, err = d.span(ctx, f.Since, f.Until); err != nil {
			return nil, "", err
		}
		seq = within.end
	} else if !f.Until.IsZero() {
		at, seq = f.Until.UnixMilli(), math.MinInt64 // the index begins there
	}
	if after != nil {
		var rest []byte
		at, rest = splitNumbered(after)
		seq, _ = splitNumbered(rest)
	}
	var entries []audit.Entry
	for opened := 0; ; {
		limit := min(p.limit()+1, maxOpened-opened)
		page, err := d.auditPage(ctx, f, within.first, at, seq, limit)
		if err != nil {
			return nil, "", fmt.Errorf("listing the audit log: %w", err)
		}
		for _, e := range page {
			if len(entries) == p.limit() { // there is one more
				return entries, entryCursor(at, seq), nil
			}
			at, seq = e.At.UnixMilli(), e.Seq
			if f.matches(e) {
				entries = append(entries, e.Entry)
			}
		}
		opened += len(page)
		switch {
		case len(page) < limit:
			return entries, "", nil
		case opened >= maxOpened:
			return entries, entryCursor(at, seq), nil
		}
	}
}

// party is whose entries the blind index finds.
func (f AuditFilter) party() string {
	if f.Subject != "" {
		return f.Subject
	}
	return f.Actor
}

func entryCursor(at, seq int64) string {
	return cursor(numbered(at, binary.BigEndian.AppendUint64(nil, uint64(seq))))
}

// A listed entry knows whether it could be opened.
type listed struct {
	audit.Entry
	opened bool
}

// matches decides what the blind index cannot: when the entry was made, which side of
// it a party is on, and what two filters have in common. What cannot be opened is not
// hidden.
func (f AuditFilter) matches(e listed) bool {
	switch {
	case f.Action != "" && e.Action != f.Action,
		!f.Since.IsZero() && e.At.UnixMilli() < f.Since.UnixMilli(),
		!f.Until.IsZero() && e.At.UnixMilli() >= f.Until.UnixMilli():
		return false
	}
	return !e.opened || (f.Actor == "" || e.Actor == f.Actor) && (f.Subject == "" || e.Subject == f.Subject)
}

const entryColumns = `SELECT a.seq, a.at, a.action, a.leaf FROM audit a `

// auditPage reads and opens up to limit entries before the one at (at, seq), by
// the index that narrows them most. Those of a party end with the entry first, and may be
// out of time: the rows that the database passed over for it would be without number.
func (d *DB) auditPage(ctx context.Context, f AuditFilter, first, at, seq int64, limit int) ([]listed, error) {
	since, until := int64(math.MinInt64), int64(math.MaxInt64)
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMilli()
	}
	party := f.party()
	var rows *sql.Rows
	var err error
	switch {
	case party != "":
		term := d.log.keys.Term(audit.FieldParty, party)
		rows, err = d.reads.query(ctx, `
			SELECT * FROM (
				SELECT * FROM (
					SELECT a.seq, a.at, a.action, a.leaf FROM audit a
					WHERE a.term1 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC LIMIT $4) found1
				UNION ALL
				SELECT * FROM (
					SELECT a.seq, a.at, a.action, a.leaf FROM audit a
					WHERE a.term2 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC LIMIT $4) found2
				UNION ALL
				SELECT * FROM (
					SELECT a.seq, a.at, a.action, a.leaf FROM audit a
					WHERE a.term3 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC LIMIT $4) found3
				UNION ALL
				SELECT * FROM (
					SELECT a.seq, a.at, a.action, a.leaf FROM audit a
					WHERE a.term4 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC LIMIT $4) found4
			) found ORDER BY seq DESC LIMIT $4`,
			term[:], seq, first, limit)
	case f.Action != "" && f.Action != common:
		rows, err = d.reads.query(ctx, entryColumns+`
			WHERE a.action = $1 AND a.action <> 'certificate.issue' AND (a.at, a.seq) < ($2, $3) AND a.at >= $4 AND a.at < $5
			ORDER BY a.at DESC, a.seq DESC LIMIT $6`,
			f.Action, at, seq, since, until, limit)
	default:
		rows, err = d.reads.query(ctx, entryColumns+`
			WHERE (a.at, a.seq) < ($1, $2) AND a.at >= $3 AND a.at < $4 AND ($5 = '' OR a.action = $5)
			ORDER BY a.at DESC, a.seq DESC LIMIT $6`,
			at, seq, since, until, f.Action, limit)
	}
	if err != nil {
		return nil, err
	}
	return d.openRows(rows, f.Encoded)
}

// common is the action of so many entries that an index over it would be no
// smaller than the log.
const common = "certificate.issue"

// openRows opens the entries and closes rows.
func (d *DB) openRows(rows *sql.Rows, encoded bool) ([]listed, error) {
	defer rows.Close()
	opener := d.log.keyring.Load().Opener()
	open := opener.Entry
	if encoded {
		open = opener.EncodedEntry
	}
	var entries []listed
	for rows.Next() {
		var seq, at int64
		var action string
		var leaf []byte
		if err := rows.Scan(&seq, &at, &action, &leaf); err != nil {
			return nil, err
		}
		entry, err := open(leaf)
		switch {
		case errors.Is(err, audit.ErrNoKey):
			entries = append(entries, listed{entry, false})
			continue
		case err != nil:
			entry = audit.Entry{Event: audit.Event{Outcome: "unreadable: " + err.Error()}}
		}
		entry.Seq, entry.At, entry.Action = seq, fromMillis(at), action
		entries = append(entries, listed{entry, err == nil})
	}
	return entries, rows.Err()
}
