package survey

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

// A batch is a stretch of a journal, to be opened.
type batch struct {
	journal *store.Journal
	keyring *audit.Keyring
	frames  []byte
	first   int64
	last    int64
}

// records reads what guards shipped in the period: one goroutine reads batches, and one
// for each core opens them.
func (s *survey) records(ctx context.Context) error {
	if err := s.guards(ctx); err != nil {
		return err
	}
	shared := newShared()
	batches := make(chan batch)
	tallies := make([]*tally, runtime.GOMAXPROCS(0))
	reads := []func(context.Context) error{func(ctx context.Context) error {
		defer close(batches)
		return s.batches(ctx, batches)
	}}
	for i := range tallies {
		t := newTally(s, shared)
		tallies[i] = t
		reads = append(reads, func(ctx context.Context) error {
			for b := range batches {
				if err := t.open(ctx, b); err != nil {
					return err
				}
				s.progress.add(b.last - b.first + 1)
			}
			return nil
		})
	}
	if err := together(ctx, reads...); err != nil {
		return err
	}
	s.sum(tallies, shared)
	return nil
}

// batches reads the batches of all journals that end in the period.
func (s *survey) batches(ctx context.Context, to chan<- batch) error {
	for i := range s.journals {
		j := &s.journals[i]
		keyring, err := s.Store.JournalKeyring(ctx, j.Origin)
		if err != nil {
			return err
		}
		for after := j.Removed; after < j.Size; {
			b, err := s.Store.NextJournalBatch(ctx, j.Origin, after, s.facts.Since)
			if isNotFound(err) {
				s.progress.add(j.Size - after)
				break
			}
			if err != nil {
				return err
			}
			if skipped := b.First - after - 1; skipped > 0 { // before the period
				s.progress.add(skipped)
			}
			select {
			case to <- batch{j, keyring, b.Frames, b.First, b.Last}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			after = b.Last
		}
	}
	return nil
}

// guards tells of the journals whether they are heard of, by the machines that keep them:
// one that forgets its disk begins another at each start.
func (s *survey) guards(ctx context.Context) error {
	a := &s.facts.Access
	heard := map[string]time.Time{}
	var order []string
	for _, j := range s.journals {
		if j.Forked != nil {
			a.Forked.Add(j.Identity, "the journal "+plain.Clean(j.Origin, 256)+", since "+j.Forked.Format(time.RFC3339))
		}
		last, known := heard[j.Identity]
		if !known {
			order = append(order, j.Identity)
		}
		if j.Heard.After(last) {
			heard[j.Identity] = j.Heard
		}
	}
	for _, path := range order {
		id, err := s.Store.Identity(ctx, path)
		if err != nil && !isNotFound(err) {
			return err
		}
		if err != nil || id.State != store.Active {
			continue // it is out of service
		}
		a.Journals++
		if s.Now.Sub(heard[path]) > s.Long {
			a.Silent.Add(path, "last heard of "+heard[path].Format(time.RFC3339))
		}
	}
	return nil
}

// A tally is what one core has counted.
type tally struct {
	survey *survey
	shared *shared
	facts  compliance.Traffic
	edges  map[edgeKey]*compliance.Edge
	rules  map[string]int64
	row    access
}

func newTally(s *survey, shared *shared) *tally {
	t := &tally{survey: s, shared: shared, edges: map[edgeKey]*compliance.Edge{}, rules: map[string]int64{}}
	t.facts.Outcomes, t.facts.Protocols = map[string]int64{}, map[string]int64{}
	t.facts.Refusals, t.facts.Logoffs = map[string]int64{}, map[string]int64{}
	return t
}

// open opens the entries of a batch.
func (t *tally) open(ctx context.Context, b batch) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	opener := b.keyring.Opener()
	r := bytes.NewReader(b.frames)
	for seq := b.first; ; seq++ {
		row, err := audit.ReadFrame(r, seq)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil { // betonicad audit verify names it
			t.facts.Unreadable += b.last - seq + 1
			return nil
		}
		if row.At.Before(t.survey.facts.Since) {
			continue
		}
		switch row.Action {
		case "journal.gap", "journal.full":
			t.facts.Gaps.Add(b.journal.Identity, row.Action+" "+row.At.Format(time.RFC3339))
			continue
		}
		e, text, err := opener.Open(row.Leaf)
		if err != nil || !t.row.read(e, text) {
			t.facts.Unreadable++
			continue
		}
		t.count(b.journal, &t.row)
	}
}

// sum puts the tallies together.
func (s *survey) sum(tallies []*tally, shared *shared) {
	a := &s.facts.Access
	a.Outcomes, a.Protocols, a.Refusals, a.Logoffs = map[string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}
	s.used = map[string]int64{}
	edges := map[edgeKey]*compliance.Edge{}
	for _, t := range tallies {
		f := &t.facts
		a.Records, a.Unreadable, a.Sessions, a.EdgesLost = a.Records+f.Records, a.Unreadable+f.Unreadable, a.Sessions+f.Sessions, a.EdgesLost+f.EdgesLost
		if !f.First.IsZero() && (a.First.IsZero() || f.First.Before(a.First)) {
			a.First = f.First
		}
		if f.Last.After(a.Last) {
			a.Last = f.Last
		}
		merge(a.Outcomes, f.Outcomes, compliance.MaxReasons)
		merge(a.Protocols, f.Protocols, compliance.MaxReasons)
		merge(a.Refusals, f.Refusals, compliance.MaxReasons)
		merge(a.Logoffs, f.Logoffs, compliance.MaxReasons)
		merge(s.used, t.rules, maxRules)
		for _, c := range []struct{ to, from *compliance.Count }{
			{&a.Observed, &f.Observed}, {&a.Nameless, &f.Nameless}, {&a.Revoked, &f.Revoked}, {&a.Long, &f.Long}, {&a.Gaps, &f.Gaps},
		} {
			c.to.Merge(*c.from)
		}
		for key, e := range t.edges {
			a.EdgesLost += mergeEdge(edges, key, e)
		}
	}
	a.Matched, a.Differing, a.Unpaired = shared.pairs.matched, shared.pairs.differing, shared.pairs.lost
	a.Edges = busiest(edges, shared)
}

// merge adds counts, of at most limit names: what there is no room for is "other".
func merge(to, from map[string]int64, limit int) {
	for name, n := range from {
		addTo(to, name, n, limit)
	}
}

const other = "other"

func addTo(to map[string]int64, name string, n int64, limit int) {
	if _, known := to[name]; !known && len(to) >= limit {
		name = other
	}
	to[name] += n
}

// maxRules bounds the rules that are told apart; a policy of a megabyte has fewer.
const maxRules = 20_000
