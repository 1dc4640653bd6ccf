package watch

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
)

const (
	batch    = 1000             // entries of the CA's log that are read at once
	journals = 16               // journals of which a batch is read in a round
	overlap  = 10 * time.Second // that a journal may be heard of before it shows
)

// round reads some of what is new in each log, and records what comes of it; more says
// that there is more.
func (s *session) round(ctx context.Context) (more bool, err error) {
	if more, err = s.read(ctx, "", math.MaxInt64); err != nil {
		return false, err
	}
	if len(s.waits) == 0 {
		if err := s.listen(ctx); err != nil {
			return false, err
		}
	}
	for _, origin := range s.waits[:min(journals, len(s.waits))] {
		rest, err := s.read(ctx, origin, math.MaxInt64)
		if err != nil {
			return false, err
		}
		s.waits = s.waits[1:]
		if rest { // the others come first
			s.waits = append(s.waits, origin)
		}
	}
	return more || len(s.waits) > 0, s.record(ctx)
}

// listen finds out which journals have something new.
func (s *session) listen(ctx context.Context) error {
	now := s.Now()
	since := s.heard
	if !since.IsZero() {
		since = since.Add(-overlap)
	}
	heads, err := s.Store.JournalHeads(ctx, since)
	if err != nil {
		return err
	}
	for _, h := range heads {
		if h.Size > s.at[h.Origin] && !slices.Contains(s.waits, h.Origin) {
			s.waits = append(s.waits, h.Origin)
		}
	}
	s.heard = now
	return nil
}

// read takes in a batch of a log, up to an entry; more says that there may be more.
func (s *session) read(ctx context.Context, origin string, to int64) (more bool, err error) {
	if origin != "" {
		return s.readJournal(ctx, origin, to)
	}
	limit := int(min(batch, to-s.at[""]))
	entries, err := s.Store.EntriesAfter(ctx, s.at[""], limit)
	if err != nil {
		return false, err
	}
	s.next = time.Time{}
	facts, err := s.facts(ctx, "", entries)
	if err != nil {
		return false, err
	}
	for i, e := range entries {
		if err := s.take(ctx, "", e, facts[i]); err != nil {
			return false, err
		}
	}
	if len(entries) < limit {
		return false, nil
	}
	s.next = entries[len(entries)-1].At
	return true, nil
}

func (s *session) readJournal(ctx context.Context, origin string, to int64) (more bool, err error) {
	entries, last, err := archive.Next(ctx, s.Store, origin, s.at[origin])
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	tampered, is := errors.AsType[*audit.TamperError](err)
	if err != nil && !is {
		return false, err
	}
	facts, err := s.facts(ctx, origin, entries)
	if err != nil {
		return false, err
	}
	for i, e := range entries {
		if e.Seq > to {
			return true, nil
		}
		if err := s.take(ctx, origin, e, facts[i]); err != nil {
			return false, err
		}
	}
	if is && last <= to {
		s.at[origin], s.moved[origin] = last, true
		s.add(s.engine.Observe(alert.Fact{Kind: alert.Verified, Other: origin, At: s.Now(), Why: tampered.Error(), Cites: alert.Ref{Origin: origin, Seq: tampered.From}}))
	}
	return true, nil
}

// facts returns what entries of a log say, none of those that the watch wrote itself.
func (s *session) facts(ctx context.Context, origin string, entries []audit.Entry) ([]alert.Fact, error) {
	facts := make([]alert.Fact, len(entries))
	for i, e := range entries {
		if _, _, is := alert.FromEntry(e); !is || origin != "" {
			facts[i] = alert.Of(origin, e)
		}
	}
	return facts, s.locate(ctx, facts)
}

// take takes an entry in, and the fact in it, and is behind it then.
func (s *session) take(ctx context.Context, origin string, e audit.Entry, f alert.Fact) error {
	if origin == "" {
		if e.At.Sub(s.clock) >= time.Minute { // as if it had been read when it was made
			s.add(s.engine.Tick(e.At))
		}
		if e.At.After(s.clock) {
			s.clock = e.At
		}
	}
	if a, what, is := alert.FromEntry(e); is && origin == "" {
		if what == alert.Acknowledging && !s.silent {
			s.engine.Acknowledge(a.ID, a.By, a.Word) // it is on record; resolved meanwhile, there is nothing to do
		}
	} else if f.Kind != 0 {
		s.add(s.engine.Observe(f))
		if err := s.unissued(ctx, f); err != nil {
			return err
		}
	}
	s.at[origin], s.moved[origin] = e.Seq, true
	if len(s.changes) >= enough {
		return s.record(ctx)
	}
	return nil
}

// add notes changes, to be recorded.
func (s *session) add(changes []alert.Change) {
	if !s.silent {
		s.changes = append(s.changes, changes...)
	}
}

// behind is how old the next entry of the CA's log is that is to be read.
func (s *session) behind() time.Duration {
	if s.next.IsZero() {
		return 0
	}
	return max(s.Now().Sub(s.next), 0)
}
