package store

import (
	"context"
	"encoding/binary"
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

	// Except leaves out the entries of one request, by its id; empty: of none. It is for
	// who puts on record that he reads the log while he does.
	Except string

	// Encoded leaves the details of entries in [audit.Event.Encoded], for who passes them on.
	Encoded bool
}

// maxPassed bounds the entries that one call looks at to find those that match.
const maxPassed = 5000

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
	if after != nil {
		var rest []byte
		at, rest = splitNumbered(after)
		seq, _ = splitNumbered(rest)
	}
	var within span
	if f.party() != "" {
		if within, err = d.span(ctx, f.Since, f.Until); err != nil {
			return nil, "", err
		}
		seq = min(seq, within.end)
	} else if !f.Until.IsZero() && at >= f.Until.UnixMilli() {
		at, seq = f.Until.UnixMilli(), math.MinInt64 // the index begins there
	}
	var entries []audit.Entry
	for passed := 0; ; {
		limit := min(p.limit()+1, maxPassed-passed)
		if f.Except != "" {
			limit++ // the request has one entry, or none yet
		}
		page, err := d.auditPage(ctx, f, within.first, at, seq, limit)
		if err != nil {
			return nil, "", fmt.Errorf("listing the audit log: %w", err)
		}
		for _, e := range page {
			if len(entries) == p.limit() { // there is one more
				return entries, entryCursor(at, seq), nil
			}
			at, seq = e.At.UnixMilli(), e.Seq
			if e.selected {
				entries = append(entries, e.Entry)
			}
		}
		passed += len(page)
		switch {
		case len(page) < limit:
			return entries, "", nil
		case passed >= maxPassed:
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

// admits decides by what is in clear: when the entry was made, and what was done.
func (f AuditFilter) admits(at int64, action string) bool {
	return (f.Action == "" || action == f.Action) &&
		(f.Since.IsZero() || at >= f.Since.UnixMilli()) &&
		(f.Until.IsZero() || at < f.Until.UnixMilli())
}

// matches decides what the blind index cannot: which side of an entry a party is on, and
// what two filters have in common.
func (f AuditFilter) matches(e audit.Entry) bool {
	return (f.Actor == "" || e.Actor == f.Actor) && (f.Subject == "" || e.Subject == f.Subject) && (f.Except == "" || e.RequestID != f.Except)
}
