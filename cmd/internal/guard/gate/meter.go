package gate

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/betonica/betonica/cmd/internal/record"
)

// A Tally is one kind of record that a [Meter] counts.
type Tally struct {
	Protocol record.Protocol
	Kind     record.Kind
	Outcome  record.Outcome
	Reason   string // of Cut and Refused only
}

// maxTallies bounds what a Meter tells apart; reasons may have a stranger's words in
// them.
const maxTallies = 128

// A Meter counts what happens on one route. Its methods may be called concurrently.
type Meter struct {
	mu      sync.Mutex
	tallies map[Tally]int64

	in, out, dials, lost atomic.Int64
}

// Counts is what a [Meter] holds.
type Counts struct {
	Records     map[Tally]int64
	In, Out     int64 // bytes of payload to the target, and from it
	DialsFailed int64 // times that the target was not there
	Unkept      int64 // records that could not be kept
}

// Counts returns the counts of now.
func (m *Meter) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Counts{maps.Clone(m.tallies), m.in.Load(), m.out.Load(), m.dials.Load(), m.lost.Load()}
}

func (m *Meter) count(r record.Record) {
	m.in.Add(r.In)
	m.out.Add(r.Out)
	t := Tally{r.Protocol, r.Kind, r.Outcome, ""}
	if r.Outcome == record.Cut || r.Outcome == record.Refused {
		t.Reason = r.Reason
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tallies == nil {
		m.tallies = map[Tally]int64{}
	}
	if _, known := m.tallies[t]; !known && len(m.tallies) >= maxTallies && r.Outcome != record.Cut { // why we cut are few words of ours
		t.Reason = "other"
	}
	m.tallies[t]++
}

func (m *Meter) dialFailed() { m.dials.Add(1) }
func (m *Meter) unkept()     { m.lost.Add(1) }
