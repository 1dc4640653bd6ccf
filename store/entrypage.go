package store

import (
	"context"
	"database/sql"
	"errors"
	"math"

	"github.com/betonica/betonica/store/audit"
)

// A listed entry knows whether the filter selects it. Of one that is not there is only
// what places it in the list.
type listed struct {
	audit.Entry
	selected bool
}

// common is the action of nearly all entries: audit_action leaves it out, since times need
// no action before them to tell it from the rest, and audit_issue has its times.
const common = "certificate.issue"

// auditPage reads up to limit entries before the one at (at, seq), by the index that
// narrows them most, and opens those that may be selected. Those of a party end with the
// entry first, and may be out of time: the rows that the database passed over for it would
// be without number.
//
// The entries of a party are merged from the four columns that it may stand in as they are
// read: a row is fetched only if it is one of the newest. (Without an order of their own,
// PostgreSQL would read each to its end, and sort.)
func (d *DB) auditPage(ctx context.Context, f AuditFilter, first, at, seq int64, limit int) ([]listed, error) {
	since := int64(math.MinInt64)
	if !f.Since.IsZero() {
		since = f.Since.UnixMilli()
	}
	party := f.party()
	var rows *sql.Rows
	var err error
	switch {
	case party != "":
		term := d.log.keys.Term(audit.FieldParty, party)
		rows, err = d.reads.query(ctx, `
			SELECT * FROM (
				SELECT a.seq, a.at, a.action, a.leaf FROM audit a
				WHERE a.term1 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC) found1
			UNION ALL
			SELECT * FROM (
				SELECT a.seq, a.at, a.action, a.leaf FROM audit a
				WHERE a.term2 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC) found2
			UNION ALL
			SELECT * FROM (
				SELECT a.seq, a.at, a.action, a.leaf FROM audit a
				WHERE a.term3 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC) found3
			UNION ALL
			SELECT * FROM (
				SELECT a.seq, a.at, a.action, a.leaf FROM audit a
				WHERE a.term4 = $1 AND a.seq < $2 AND a.seq >= $3 ORDER BY a.seq DESC) found4
			ORDER BY seq DESC LIMIT $4`,
			term[:], seq, first, limit)
	case f.Action == common:
		rows, err = d.reads.query(ctx, `
			SELECT a.seq, a.at, a.action, a.leaf FROM audit a
			WHERE a.action = 'certificate.issue' AND (a.at, a.seq) < ($1, $2) AND a.at >= $3
			ORDER BY a.at DESC, a.seq DESC LIMIT $4`,
			at, seq, since, limit)
	case f.Action != "":
		rows, err = d.reads.query(ctx, `
			SELECT a.seq, a.at, a.action, a.leaf FROM audit a
			WHERE a.action = $1 AND a.action <> 'certificate.issue' AND (a.at, a.seq) < ($2, $3) AND a.at >= $4
			ORDER BY a.at DESC, a.seq DESC LIMIT $5`,
			f.Action, at, seq, since, limit)
	default:
		rows, err = d.reads.query(ctx, `
			SELECT a.seq, a.at, a.action, a.leaf FROM audit a
			WHERE (a.at, a.seq) < ($1, $2) AND a.at >= $3
			ORDER BY a.at DESC, a.seq DESC LIMIT $4`,
			at, seq, since, limit)
	}
	if err != nil {
		return nil, err
	}
	return d.openRows(rows, f)
}

// openRows opens the entries that may be selected, and closes rows. What cannot be opened
// is not hidden.
func (d *DB) openRows(rows *sql.Rows, f AuditFilter) ([]listed, error) {
	defer rows.Close()
	opener := d.log.keyring.Load().Opener()
	open := opener.Entry
	if f.Encoded {
		open = opener.EncodedEntry
	}
	var entries []listed
	for rows.Next() {
		var seq, at int64
		var action string
		var leaf sql.RawBytes
		if err := rows.Scan(&seq, &at, &action, &leaf); err != nil {
			return nil, err
		}
		var e listed
		if f.admits(at, action) {
			var err error
			e.Entry, err = open(leaf)
			switch {
			case errors.Is(err, audit.ErrNoKey):
				e.selected = true
			case err != nil:
				e = listed{audit.Entry{Event: audit.Event{Outcome: "unreadable: " + err.Error()}}, true}
			default:
				e.selected = f.matches(e.Entry)
			}
		}
		e.Seq, e.At, e.Action = seq, fromMillis(at), action
		entries = append(entries, e)
	}
	return entries, rows.Err()
}
