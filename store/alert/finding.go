package alert

import (
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/store/audit/plain"
)

// A finding is what a rule found.
type finding struct {
	Key      string // of the alert; "" is Subject
	Subject  string
	Site     string
	Severity Severity // 0 is the rule's
	Propose  Action   // "" is the rule's
	About    string   // whom the proposal is about; "" is Subject
	At       time.Time
	Facts    [2]string
	Entries  []Ref
	Crowd    uint64 // that it is dropped for; 0 is none
}

// A pending is a finding that waits for a reason to drop it.
type pending struct {
	Rule    string
	Due     time.Time
	Finding finding
}

// maxHeld bounds what waits; beyond it, the first becomes an alert early.
const maxHeld = 512

// of begins a finding about the machine of a fact.
func of(f *Fact, first, second string, earlier ...Ref) finding {
	return finding{Subject: f.Identity, Site: f.Site, At: f.At, Facts: [2]string{first, second}, Entries: append(earlier, f.ref())}
}

// find takes a finding of a rule: it is dropped, held, or an alert.
func (e *Engine) find(r *rule, f finding) {
	if r.Class != Invariant && e.planned(f.Site) || f.Crowd != 0 && e.crowded(f.Crowd) {
		e.stats.Suppressed++
		return
	}
	if f.Key == "" {
		f.Key = f.Subject
	}
	if f.Severity == 0 {
		f.Severity = r.Severity
	}
	if f.Propose == "" {
		f.Propose = r.Propose
	}
	for i := range f.Facts {
		f.Facts[i] = plain.Clean(f.Facts[i], maxFact)
	}
	if r.Hold == 0 || e.book.find(r, &f) != nil {
		e.raise(r, f)
		return
	}
	for i := range e.held {
		if p := &e.held[i]; p.Rule == r.ID && p.Finding.Key == f.Key {
			p.Finding.Facts[1], p.Finding.Severity = f.Facts[1], max(p.Finding.Severity, f.Severity)
			return
		}
	}
	if len(e.held) == maxHeld {
		first := e.held[0]
		e.held = slices.Delete(e.held, 0, 1)
		e.raise(e.rule(first.Rule), first.Finding)
	}
	e.held = append(e.held, pending{r.ID, e.now.Add(r.Hold), f})
}

// release makes alerts of what was held for long enough.
func (e *Engine) release() {
	var due []pending
	e.held = slices.DeleteFunc(e.held, func(p pending) bool {
		if p.Due.After(e.now) {
			return false
		}
		due = append(due, p)
		return true
	})
	for _, p := range due {
		if e.planned(p.Finding.Site) && e.rule(p.Rule).Class != Invariant {
			e.stats.Suppressed++
			continue
		}
		e.raise(e.rule(p.Rule), p.Finding)
	}
}

// drop lets go what is held of a rule and a key.
func (e *Engine) drop(r *rule, key string) {
	n := len(e.held)
	e.held = slices.DeleteFunc(e.held, func(p pending) bool { return p.Rule == r.ID && p.Finding.Key == key })
	e.stats.Suppressed += int64(n - len(e.held))
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// say builds a sentence of a fact.
func say(format string, args ...any) string { return fmt.Sprintf(format, args...) }
