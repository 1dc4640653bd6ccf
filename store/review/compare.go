package review

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/betonica/betonica/store"
)

const (
	spans = 4  // before, that are compared with
	times = 3  // more often than before is unusual,
	floor = 10 // if it is by so many at least
	usual = 3  // times in a span is what is missed when it does not happen
	asked = 32 // people at most who are looked for in the spans before
	parts = 4  // parts of a person's entries that are read for that
)

// compare holds the counts, and the people, against the spans before.
func (g *gathering) compare(ctx context.Context, s *Summary, began time.Time) error {
	span := max(s.Until.Sub(s.Since), time.Hour)
	g.spans = min(spans, int(max(0, s.Since.Sub(began)/span))) // whole ones
	if g.spans == 0 {
		return nil
	}
	begin := s.Since.Add(-time.Duration(g.spans) * span)
	var err error
	if g.before, err = g.Store.ActionCounts(ctx, begin, s.Since); err != nil {
		return err
	}
	g.frequencies()
	for i, person := range slices.Sorted(maps.Keys(g.people)) {
		if i == asked {
			break
		}
		known, err := g.acted(ctx, person, begin, s.Since)
		if err != nil {
			return err
		}
		g.people[person].new = !known
	}
	return nil
}

// frequencies finds the actions that there never were before, that there are far more of,
// and those that are missed.
func (g *gathering) frequencies() {
	for _, action := range slices.Sorted(maps.Keys(g.counts)) {
		now, before := *g.counts[action], g.before[action]
		mean := float64(before) / float64(g.spans)
		switch {
		case before == 0:
			now.What = action + ": never before"
		case float64(now.Count) > times*mean && float64(now.Count)-mean >= floor:
			now.What = fmt.Sprintf("%s: %.1f before", action, mean)
		default:
			continue
		}
		g.few = append(g.few, now)
	}
	for _, action := range slices.Sorted(maps.Keys(g.before)) {
		if mean := float64(g.before[action]) / float64(g.spans); g.counts[action] == nil && mean >= usual {
			g.few = append(g.few, Line{What: fmt.Sprintf("%s: %.1f before", action, mean)})
		}
	}
	slices.SortStableFunc(g.few, func(a, b Line) int { return cmp.Compare(b.Count, a.Count) })
}

// acted reports whether a person did something in a time. Of one with very many entries
// that are no acts, the newest are looked at.
func (g *gathering) acted(ctx context.Context, person string, since, until time.Time) (bool, error) {
	page := store.Page{Limit: 500}
	for range parts {
		entries, next, err := g.Store.AuditEntries(ctx, store.AuditFilter{Actor: person, Since: since, Until: until, Encoded: true}, page)
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			if acts(e.Action) {
				return true, nil
			}
		}
		if page.After = next; next == "" {
			return false, nil
		}
	}
	return false, nil
}
