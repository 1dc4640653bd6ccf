package alert

import (
	"cmp"
	"time"
)

// b02: a machine does few things, for years. What it never did before, be it allowed, is
// worth knowing, more so where it reads ePHI. What three machines of its role do is a new
// version of their program.
func b02() *rule {
	return &rule{
		Rule: Rule{
			ID: "B02", Class: Baseline, Severity: Low, Title: "first use of a peer, route or type of data",
			Do:   "Ask the owner whether the machine got a new task. If not, take the permission from its role, and look at what was read.",
			Hold: 30 * time.Minute, Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Used}, ends: []Kind{Revoked, Suspended},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			use, at := e.use(f), momentOf(f.At)
			key := mix(e.hash("role", f.Role()), use)
			e.join(key, f.id, at, 30*24*time.Hour)
			if h == nil || h.Uses == (seen{}) || h.Uses.has(use) || h.age(at) < learning {
				return
			}
			what := say("%s of %s", cmp.Or(f.Resource, "data"), cmp.Or(f.Route, "a route"))
			n := of(f,
				say("%s is known since %s, and never asked for %s before %s", f.Identity, h.First, what, f.Other),
				say("it did at %s", stamp(f.At)), e.cite(h.LastCited))
			n.Key, n.Crowd = say("%s: %s before %s", f.Identity, what, f.Other), key
			if f.Reads {
				n.Severity = Medium
			}
			e.find(r, n)
		},
	}
}

// use names what a machine did: before whom, by which route, with what.
func (e *Engine) use(f *Fact) uint64 { return e.hash("use", f.Other, f.Route, f.Resource) }
