package alert

import "time"

// a09: somebody broke the glass. That is what it is for, and it is never quiet.
func a09() *rule {
	return &rule{
		Rule: Rule{
			ID: "A09", Class: Invariant, Severity: Critical, Title: "emergency powers are in use",
			Do:    "Call whoever took them. Review afterwards what was done with them: betonica audit review --power.",
			Quiet: 7 * 24 * time.Hour,
		},
		kinds: []Kind{Emergency}, ends: []Kind{Calm},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			e.find(r, of(f, say("%s took emergency powers at %s", f.Identity, stamp(f.At)), say("the reason given: %s", f.Why)))
		},
	}
}
