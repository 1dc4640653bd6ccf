package guard

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// maxRefusals is how many refused connections are put on record one by one, a second.
// Who comes without a certificate costs the journal no more than that: one record tells
// how many others there were.
const maxRefusals = 20

// A flood counts refusals. Its methods may be called concurrently.
type flood struct {
	mu      sync.Mutex
	second  int64
	kept    int // in this second
	skipped int // since the last record
}

// take reports whether a refusal has a record of its own, and how many before it had
// none.
func (f *flood) take(now time.Time) (skipped int, own bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Unix() != f.second {
		f.second, f.kept = now.Unix(), 0
	}
	if f.kept >= maxRefusals {
		f.skipped++
		return 0, false
	}
	f.kept++
	skipped, f.skipped = f.skipped, 0
	return skipped, true
}

// skip counts a refusal that gets no record of its own.
func (f *flood) skip() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skipped++
}

// rest returns how many are without a record, once the second that they came in is
// over.
func (f *flood) rest(now time.Time) (skipped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Unix() == f.second {
		return 0
	}
	skipped, f.skipped = f.skipped, 0
	return skipped
}

// refused puts a connection on record that was refused before there was a link.
func (s *served) refused(who gate.Caller, err error) {
	g := s.guard
	g.refusals.Add(1)
	skipped, own := g.flood.take(g.now())
	if !own {
		return
	}
	if skipped > 0 {
		s.keep(gate.Caller{}, manyMore(skipped))
	}
	reason := err.Error()
	if !authenticated(err) && who.ID.String() != "" {
		reason = fmt.Sprintf("%s; it claims to be %s", reason, who.ID)
		who = gate.Caller{Address: who.Address} // who it is, nobody knows
	}
	s.keep(who, reason)
}

func manyMore(n int) string { return fmt.Sprintf("%d more connections were refused", n) }

func (s *served) keep(who gate.Caller, reason string) {
	now := s.guard.now()
	r := record.Record{
		Begin: now, End: now, Caller: who.ID.String(), Serial: who.Serial, Address: who.Address,
		Guard: s.route.Guard, Side: s.route.Side, Route: s.route.Name, Target: s.route.Target,
		Protocol: s.to.kind.word, Kind: record.Connection, Operation: "handshake", Outcome: record.Refused, Reason: reason,
	}
	if err := s.guard.records.Keep(context.Background(), r); err != nil {
		s.guard.log.Error("a refused connection is not on record", "route", s.route.Name, "error", err)
	}
}
