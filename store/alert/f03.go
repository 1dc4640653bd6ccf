package alert

import (
	"strings"
	"time"
)

// f03: a clock is off by two minutes: its machine will refuse good certificates, and its
// records say the wrong time. Eleven at once are one incident, of the time server. A clock
// that is right again within a quarter of an hour is nobody's business.
//
// A machine says what time it has when it asks for a certificate (RFC 9110, Section 6.6.1).
// Of guards it shows, too, when their records are from the future; a record from the past is
// merely late.
func f03() *rule {
	return &rule{
		Rule: Rule{
			ID: "F03", Class: Fleet, Severity: Low, Title: "a clock is wrong",
			Do:   "See that the machine has a time server and reaches it. If there are many, it is the time server.",
			Hold: 15 * time.Minute, Quiet: 2 * time.Hour, Gather: 10, Everywhere: true,
		},
		kinds: []Kind{Clock, Issued},
		look:  func(e *Engine, _ *rule, f *Fact, _ *habit) { e.judgeClock(f, f.Identity, f.Age) },
	}
}

// judgeClock looks how far the clock of a machine is off.
func (e *Engine) judgeClock(f *Fact, machine string, off time.Duration) {
	r := e.rule("F03")
	if off.Abs() <= aheadMost {
		if len(e.held) == 0 && e.book.subjects[machine] == 0 {
			return
		}
		e.settle(r, machine, "its clock is right again")
		return
	}
	which := "ahead"
	if off < 0 {
		which = "behind"
	}
	n := of(f, say("the CA's time is %s", stamp(e.now)), say("the clock of %s is %s %s", machine, spell(off), which))
	n.Key, n.Subject, n.At = machine, machine, e.now
	e.find(r, n)
}

// machineOf returns the path of the machine whose journal that is:
// "domain/role/name/journal/id".
func machineOf(origin string) string {
	_, path, _ := strings.Cut(origin, "/")
	if i := strings.LastIndex(path, "/journal/"); i >= 0 {
		path = path[:i]
	}
	return path
}
