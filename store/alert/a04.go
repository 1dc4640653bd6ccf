package alert

import (
	"cmp"
	"time"
)

// a04: whoever shows a certificate that is void has it from somewhere: a machine that was
// taken out of service is switched on, or a thief tries what he has. It was refused. One
// that has merely expired is seldom more than a machine that was off for long, and low.
func a04() *rule {
	return &rule{
		Rule: Rule{
			ID: "A04", Class: Invariant, Severity: High, Title: "a void certificate was presented",
			Do:    "Find the machine by its address. If it was revoked, take it off the network; if its certificate has expired, enrol it anew with --replace.",
			Quiet: time.Hour, Gather: 5,
		},
		kinds: []Kind{Void}, ends: []Kind{Issued, Resumed}, renewed: true,
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			who, peer := cmp.Or(f.Identity, f.Address.String()), cmp.Or(f.Other, "the CA")
			n := of(f,
				say("%s presented certificate %s to %s, from %s at %s", who, cmp.Or(f.Serial, "unknown"), peer, f.Address, stamp(f.At)),
				say("it was refused: %s", f.Why))
			n.Subject, n.Key = who, who+" to "+peer
			if f.Code == CodeExpired {
				n.Severity = Low
			}
			e.find(r, n)
		},
	}
}
