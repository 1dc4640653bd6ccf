package alert

import (
	"slices"
	"time"
)

// A fallen is a certificate that was revoked.
type fallen struct {
	At  moment
	Seq int64 // of the entry that says so
}

// a05: a revoked certificate that a guard let through. Revocation did not reach that guard:
// what it protects was open to whoever was shut out. Clocks may be apart by as much as F03
// lets them.
func a05() *rule {
	return &rule{
		Rule: Rule{
			ID: "A05", Class: Invariant, Severity: Critical, Title: "a revoked certificate was accepted",
			Do:    "Look why the guard does not enforce the newest list (betonica status), stop its route until it does, and review what was read there since.",
			Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Used, Revoked, Suspended},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			if f.Kind != Used {
				outran(e, r, f, h)
				return
			}
			high, low := serialOf(f.Serial)
			v := e.revoked.peek(mix(high, low))
			if high == 0 || v == nil || momentOf(f.At).since(v.At) <= aheadMost {
				return
			}
			n := of(f,
				say("certificate %s was revoked at %s", f.Serial, v.At),
				say("%s let it through at %s", f.Other, stamp(f.At)),
				Ref{"", v.Seq})
			n.Key = f.Identity + " by " + f.Other
			e.find(r, n)
		},
	}
}

// outran is for a use that was told before the revocation.
func outran(e *Engine, r *rule, f *Fact, h *habit) {
	if h == nil || h.lastTurn().At.since(momentOf(f.At)) <= aheadMost {
		return
	}
	if slices.ContainsFunc(f.Serials, func(s string) bool { g := generation(s); return g != 0 && short(g) == h.lastTurn().Key }) {
		e.find(r, of(f,
			say("a certificate of %s was revoked at %s", f.Identity, stamp(f.At)),
			say("a guard let it through at %s", h.lastTurn().At), e.cite(h.LastCited)))
	}
}
