package alert

import (
	"cmp"
	"time"
)

// a06: a credential that was used up, or is good elsewhere only, was tried. A token is told
// to one machine: who else has it has read it on the way. That the same machine repeats the
// same request because the answer got lost is no such fact, and never comes here.
func a06() *rule {
	return &rule{
		Rule: Rule{
			ID: "A06", Class: Invariant, Severity: High, Title: "a credential was used where it is not good",
			Do:    "Ask whoever made the token how it was handed over, and revoke what is left of it. If the first use was not the machine's own, revoke that identity.",
			Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Misused}, ends: []Kind{Revoked},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			what := map[string]string{
				CodeReused:  "it was used up before, by another key",
				CodeNetwork: "it is bound to a network",
			}[f.Code]
			n := of(f,
				say("%s was shown from %s at %s", cmp.Or(f.Other, "a credential"), f.Address, stamp(f.At)),
				say("%s: %s", cmp.Or(what, "it does not belong with what else is on record"), f.Why))
			n.Key = cmp.Or(f.Other, f.Identity, f.Address.String())
			e.find(r, n)
		},
	}
}
