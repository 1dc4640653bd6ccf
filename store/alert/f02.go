package alert

import (
	"cmp"
	"slices"
	"time"
)

const (
	failures     = 10 // of one source
	failuresIn   = 5 * time.Minute
	claimedNames = 5
)

// attempts are the newest failures of one source, in order, and whom they were about.
type attempts struct {
	At    [failures]moment
	Names [claimedNames]uint64
	Named [claimedNames]moment
}

// f02: one source fails to say who it is ten times in five minutes, or speaks of five
// machines or tokens: it guesses. Who holds the key of a certificate that is void guesses
// nothing: that is A04's.
func f02() *rule {
	return &rule{
		Rule: Rule{
			ID: "F02", Class: Fleet, Severity: High, Title: "somebody tries credentials", Propose: Block,
			Do:    "See what stands at the address. A machine with a wrong clock or an old token is repaired; anything else is taken off the network.",
			Quiet: time.Hour, Gather: 20, Everywhere: true,
		},
		kinds: []Kind{Stranger, Dropped},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			if f.Kind == Dropped {
				n := of(f, say("%d more were refused, faster than they are put on record, until %s", f.Count, stamp(f.At)), "ten of one source in five minutes are too many")
				n.Key, n.Subject = "faster than the record", ""
				e.find(r, n)
				return
			}
			if !f.Address.IsValid() {
				return
			}
			from, at := source(f.Address), momentOf(f.At)
			a := e.sources.put(e.hash("source", from))
			first := a.note(at)
			named := a.claim(e.hash("claims", cmp.Or(f.Identity, f.Other)), at, f.Identity+f.Other != "")
			var what string
			switch {
			case at.since(first) <= failuresIn && first != 0:
				what = say("there were %d since %s, the last at %s: %s", failures, first, stamp(f.At), f.Why)
			case named == claimedNames:
				what = say("it spoke of %d machines or tokens, the last at %s: %s", named, stamp(f.At), f.Why)
			default:
				return
			}
			n := of(f, say("a source that fails %d times in %s, or by %d names, guesses", failures, spell(failuresIn), claimedNames), what)
			n.Key, n.Subject, n.About = from, from, from
			e.find(r, n)
		},
	}
}

// note puts down a failure, and returns when the tenth before now was, with it; 0: there were
// not so many.
func (a *attempts) note(at moment) moment {
	if at < a.At[0] {
		return 0 // told late, and older than all that count
	}
	a.At[0] = at
	slices.Sort(a.At[:])
	if a.At[failures-1] != at {
		return 0 // told late: it was judged with those after it
	}
	return a.At[0]
}

// claim puts down of whom a source spoke, and returns how many there were lately.
func (a *attempts) claim(name uint64, at moment, any bool) (n int) {
	if !any {
		return 0
	}
	i := slices.Index(a.Names[:], name)
	if i < 0 {
		i = slices.Index(a.Named[:], slices.Min(a.Named[:]))
	}
	a.Names[i], a.Named[i] = name, max(at, a.Named[i])
	for _, m := range a.Named {
		if m != 0 && at.apart(m) <= failuresIn {
			n++
		}
	}
	return n
}
