package alert

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"github.com/betonica/betonica/store/audit/plain"
)

// Config bounds an Engine.
type Config struct {
	// Memory is how much it may remember, in bytes. Default and most 64 MiB, which is some
	// 100,000 machines; at least 16 MiB.
	Memory int64
}

// Bounds of what an engine remembers, whatever it is told.
const (
	defaultMemory = 64 << 20
	minMemory     = 16 << 20

	maxOrigins   = 8 << 10
	maxCrowds    = 16 << 10
	maxRevoked   = 32 << 10
	maxSources   = 8 << 10
	maxGroups    = 512
	maxDistinct  = 16 << 10
	maxProposals = 16 << 10
	maxWindows   = 256

	others = 13 << 20 // bytes that all of these take, and the alerts
)

// How far facts may be from the engine's time.
const (
	aheadMost  = 2 * time.Minute    // a clock that is further ahead is wrong: F03
	behindMost = 7 * 24 * time.Hour // what is told later is only marked as seen
	learning   = 7 * 24 * time.Hour // until a machine's baseline is known
	residence  = 24 * time.Hour     // a machine that was heard of within is not forgotten for a new one
)

// An Engine turns facts into alerts. It is for one goroutine. The same facts and ticks make
// the same changes.
type Engine struct {
	rules   []*rule
	byID    map[string]*rule
	byKind  [kinds][]*rule
	endings [kinds][]*rule

	salt   [16]byte // nobody chooses whom he shares a hash with
	now    time.Time
	lastID int64

	marks     *table[mark]
	names     map[uint64]string // of origins
	habits    *table[habit]
	crowds    *table[crowd]
	revoked   *table[fallen]
	sources   *table[attempts]
	groups    *table[series]
	distinct  *table[moment]
	proposals *table[moment]
	windows   map[string]time.Time // planned work, by site

	book    book
	held    []pending
	changes []Change
	stats   Stats
}

// Stats say what an engine did since it was made.
type Stats struct {
	Facts      int64 // taken in
	Repeated   int64 // that were known already
	Old        int64 // of more than a week ago
	Suppressed int64 // findings that were no alert, for a reason of the rule's
	Evicted    int64 // machines that were forgotten, and learn anew
	Untracked  int64 // facts of machines that there was no room for
	Machines   int   // that are known now
	Open       int   // alerts that are not resolved
	Held       int   // findings that wait
}

// New returns an engine that knows nothing.
func New(c Config) *Engine {
	e := &Engine{
		rules: rules(), byID: map[string]*rule{}, names: map[uint64]string{}, book: newBook(), windows: map[string]time.Time{},
		marks: newTable[mark](maxOrigins), crowds: newTable[crowd](maxCrowds), revoked: newTable[fallen](maxRevoked),
		sources: newTable[attempts](maxSources), groups: newTable[series](maxGroups), distinct: newTable[moment](maxDistinct),
		proposals: newTable[moment](maxProposals), habits: newTable[habit](c.machines()),
	}
	e.marks.dropped = func(key uint64) { delete(e.names, key) }
	rand.Read(e.salt[:]) // never fails
	for _, r := range e.rules {
		e.byID[r.ID] = r
		for _, k := range r.kinds {
			e.byKind[k] = append(e.byKind[k], r)
		}
		for _, k := range r.ends {
			e.endings[k] = append(e.endings[k], r)
		}
	}
	return e
}

// machines returns how many habits the memory has room for: each takes a row, and a place in
// the index, which a map grows by doubling.
func (c Config) machines() int {
	m := c.Memory
	if m <= 0 {
		m = defaultMemory
	}
	m = min(max(m, minMemory), defaultMemory)
	return int((m - others) / (int64(newTable[habit](1).size()) + 16 + 40))
}

func (e *Engine) rule(id string) *rule { return e.byID[id] }

// Observe takes a fact in, and returns what changed. Facts may come late and again.
func (e *Engine) Observe(f Fact) []Change {
	e.changes = nil
	if f = f.bounded(); f.Kind == 0 || f.Kind >= kinds || f.Kind == kindsOfEntries || !e.fresh(&f) {
		return nil
	}
	e.stats.Facts++
	e.clock(&f)
	f.id = e.hash("identity", f.Identity)
	if e.now.Sub(f.At) > behindMost {
		e.stats.Old++
		return e.changes
	}
	h := e.habit(&f)
	for _, r := range e.byKind[f.Kind] {
		r.look(e, r, &f, h)
	}
	e.learn(&f, h)
	e.dealtWith(&f)
	return e.changes
}

// Tick tells the engine the time, and returns what comes of that alone. Once a minute is
// enough.
func (e *Engine) Tick(now time.Time) []Change {
	e.changes = nil
	if e.now = now; e.now.IsZero() {
		return nil
	}
	for site, until := range e.windows {
		if !until.After(now) {
			delete(e.windows, site)
		}
	}
	e.release()
	for _, a := range e.book.all() {
		switch r := e.rule(a.Rule); {
		case a.Touched.After(now): // the clock was set back
			a.Touched = now
		case r.Quiet > 0 && now.Sub(a.Touched) >= r.Quiet:
			e.resolve(a, say("nothing more of it for %s", spell(r.Quiet)))
		case a.Count > a.Told:
			e.change(Counting, a, finding{Subject: a.Subject})
		}
	}
	return e.changes
}

// ErrNotOpen reports that there is no such alert, or that it is resolved.
var ErrNotOpen = errors.New("alert: there is no such open alert")

// Acknowledge puts down that a person has seen an alert, with his word. It stays open until
// it resolves. Whoever says it again replaces the word.
func (e *Engine) Acknowledge(id int64, by, word string) (Change, error) {
	for _, a := range e.book.byKey {
		if a.ID == id {
			a.State, a.By, a.Word = Acknowledged, plain.Clean(by, maxPath), plain.Clean(word, maxFact)
			e.changes = nil
			e.change(Acknowledging, a, finding{Subject: a.Subject})
			return e.changes[0], nil
		}
	}
	return Change{}, ErrNotOpen
}

// Open lists the alerts that are not resolved, the oldest first.
func (e *Engine) Open() (all []Alert) {
	for _, a := range e.book.all() {
		all = append(all, a.copy())
	}
	return all
}

// Stats returns what the engine did.
func (e *Engine) Stats() Stats {
	s := e.stats
	s.Evicted, s.Machines, s.Open, s.Held = e.habits.evicted, int(e.habits.n), len(e.book.byKey), len(e.held)
	return s
}

// clock puts the fact's time and the engine's into order. The CA's own log sets the time
// between ticks; a guard's clock that is ahead is F03's matter, and taken for now.
func (e *Engine) clock(f *Fact) {
	if f.At.IsZero() && f.Seq <= 0 {
		f.At = e.now
	}
	if f.Origin == "" && f.At.After(e.now) || e.now.IsZero() {
		e.now = f.At
	}
	ahead := f.At.Sub(e.now)
	if f.Origin != "" && f.Seq > 0 {
		e.judgeClock(f, machineOf(f.Origin), max(ahead, 0))
	}
	if ahead > aheadMost {
		f.At = e.now
	}
}

// habit returns what is known of the machine of a fact, which is nothing at first; nil if the
// fact says nothing of how a machine lives, or if there is no room.
func (e *Engine) habit(f *Fact) *habit {
	if f.Identity == "" {
		return nil
	}
	id := f.id
	if f.Kind != Issued && f.Kind != Used {
		return e.habits.get(id)
	}
	at := momentOf(f.At)
	if e.habits.peek(id) == nil && e.habits.full() && momentOf(e.now).since(e.habits.eldest().Last) < residence {
		e.stats.Untracked++
		return nil
	}
	h := e.habits.put(id)
	if h.First == 0 || at < h.First {
		h.First = at
	}
	return h
}

// dealtWith resolves the alerts about a machine that somebody dealt with.
func (e *Engine) dealtWith(f *Fact) {
	if e.book.subjects[f.Identity] == 0 {
		return
	}
	for _, r := range e.endings[f.Kind] {
		for _, a := range e.book.all() {
			if a.Rule == r.ID && a.Subject == f.Identity && (!f.Renewal || r.renewed) {
				e.resolve(a, say("%s (%s)", deed(f.Kind), f.ref()))
			}
		}
	}
}

// deed says what resolves alerts.
func deed(k Kind) string {
	switch k {
	case Issued:
		return "it has a new certificate"
	case Revoked:
		return "its certificates were revoked"
	case Suspended:
		return "it was suspended or retired"
	case Resumed:
		return "it was resumed"
	}
	return "it is over"
}

// hash names a text of some sort, in 64 bits.
func (e *Engine) hash(sort string, texts ...string) uint64 {
	b := make([]byte, 0, 512)
	b = append(append(b, e.salt[:]...), sort...)
	for _, t := range texts {
		b = append(append(b, 0), t...)
	}
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:])
}

// mix makes one hash of two.
func mix(a, b uint64) uint64 {
	a ^= b*0x9e3779b97f4a7c15 + a<<6 + a>>2
	a ^= a >> 32
	a *= 0xd6e8feb86659fd93
	return a ^ a>>29
}

// spell writes a duration in days, hours and minutes.
func spell(d time.Duration) string {
	switch d = d.Abs(); {
	case d >= 48*time.Hour:
		return say("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return say("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return say("%d minutes", d/time.Minute)
	}
	return say("%d seconds", d/time.Second)
}
