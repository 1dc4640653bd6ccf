package review

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
)

// Action is the action by which a review is on record, with a [Record] as its detail.
const Action = "audit.review"

// A Record is what the log keeps of a review: exactly what was covered.
type Record struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	First int64     `json:"first"`
	Last  int64     `json:"last"`
	Root  string    `json:"root"` // of the tree of the first Last entries

	Groups map[string]int64 `json:"groups"` // what there was, by group
	Own    int64            `json:"own"`    // acts of the reviewer's own, or of his owner's others
	Acts   int64            `json:"acts"`   // of all
	Again  bool             `json:"again"`  // a part was reviewed before
	Word   string           `json:"word"`
}

// Detail is the record as an entry has it.
func (r Record) Detail() map[string]any {
	return map[string]any{
		"since": r.Since.UTC().Format(time.RFC3339Nano), "until": r.Until.UTC().Format(time.RFC3339Nano), "first": r.First, "last": r.Last, "root": r.Root,
		"groups": r.Groups, "own": r.Own, "acts": r.Acts, "again": r.Again, "word": r.Word,
	}
}

// A Done is a review on record.
type Done struct {
	Entry int64     `json:"entry"` // of the log
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Record
}

// A Gap is a part of the log that nobody has reviewed.
type Gap struct {
	First int64     `json:"first"`
	Last  int64     `json:"last"`
	Since time.Time `json:"since"` // of its first entry
	Until time.Time `json:"until"` // and its last
}

// A History is who reviewed what when.
type History struct {
	Done  []Done    `json:"done"`           // the newest first
	Gaps  []Gap     `json:"gaps"`           // since the first of them, the oldest first: parts with an entry
	Began time.Time `json:"began"`          // when the log did
	Lost  bool      `json:"lost,omitempty"` // there were more reviews than are read
}

const (
	maxPast = 1000
	kept    = 6 * 366 * 24 * time.Hour // how far back reviews are looked for
	maxGaps = 100
)

// Past returns the reviews of six years, the newest thousand, and what is between them and
// behind them. The log before the first review on record is no gap: it may be older than
// that anybody reviewed it here.
func Past(ctx context.Context, db *store.DB, now time.Time) (*History, error) {
	h := &History{Done: []Done{}, Gaps: []Gap{}}
	source, err := db.AuditSource(ctx)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if h.Began, err = entryTime(ctx, source, 1); err != nil {
		return nil, err
	}
	page := store.Page{Limit: 100}
	for {
		entries, next, err := db.AuditEntries(ctx, store.AuditFilter{Action: Action, Since: now.Add(-kept), Encoded: true}, page)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if d, ok := done(e); ok {
				h.Done = append(h.Done, d)
			}
		}
		if page.After = next; next == "" {
			break
		}
		if h.Lost = len(h.Done) >= maxPast; h.Lost {
			break
		}
	}
	return h, h.gaps(ctx, source, db.LogSize())
}

// done reads a review from its entry.
func done(e audit.Entry) (Done, bool) {
	d := Done{Entry: e.Seq, At: e.At, By: plain.Clean(e.Actor, maxText)}
	if err := json.Unmarshal(e.Encoded, &d.Record); err != nil || d.First < 1 || d.Last < d.First || d.Last >= e.Seq {
		return Done{}, false
	}
	d.Word = plain.Clean(d.Word, 4096)
	return d, true
}

// gaps finds what lies between the reviews, in the order of the log.
func (h *History) gaps(ctx context.Context, source *store.AuditSource, size int64) error {
	if len(h.Done) == 0 {
		return nil
	}
	all := slices.Clone(h.Done)
	slices.SortFunc(all, func(a, b Done) int { return cmp.Compare(a.First, b.First) })
	end := all[0].First - 1 // reviewed up to here
	for _, d := range append(all, Done{Record: Record{First: size + 1}}) {
		if d.First > end+1 && len(h.Gaps) < maxGaps {
			g := Gap{First: end + 1, Last: d.First - 1}
			var err error
			if g.Since, err = entryTime(ctx, source, g.First); err != nil {
				return err
			}
			if g.Until, err = entryTime(ctx, source, g.Last); err != nil {
				return err
			}
			h.Gaps = append(h.Gaps, g)
		}
		end = max(end, d.Last)
	}
	return nil
}

// newest returns the review that goes furthest; nil: there is none.
func (h *History) newest() (best *Done) {
	for i := range h.Done {
		if best == nil || h.Done[i].Last > best.Last {
			best = &h.Done[i]
		}
	}
	return best
}

// covers reports whether some of these entries were reviewed.
func (h *History) covers(first, last int64) bool {
	return slices.ContainsFunc(h.Done, func(d Done) bool { return d.First <= last && first <= d.Last })
}

// Waits returns since when the oldest entry waits that nobody has reviewed; zero: none does.
// Where nobody ever reviewed anything, it is since the log began.
func (h *History) Waits() time.Time {
	switch {
	case len(h.Done) == 0:
		return h.Began
	case len(h.Gaps) == 0:
		return time.Time{}
	}
	return h.Gaps[0].Since
}

// entryTime returns when an entry was made; zero: there is no such entry.
func entryTime(ctx context.Context, source *store.AuditSource, seq int64) (time.Time, error) {
	records, err := source.Records(ctx, seq-1, 1)
	if err != nil || len(records) == 0 {
		return time.Time{}, err
	}
	return records[0].At, nil
}
