package alert

import "time"

// a01: a public key belongs to one identity for ever. Whoever asks with another's has a copy
// of its key, or of its disk; or it is one disk image that was written to two machines.
func a01() *rule {
	return &rule{
		Rule: Rule{
			ID: "A01", Class: Invariant, Severity: Critical, Title: "the public key of another identity",
			Do:    "Find out which of the two machines made the key. If one was copied from the other, have the copy make a key of its own; otherwise revoke both.",
			Quiet: 7 * 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{KeyTaken}, ends: []Kind{Revoked},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			n := of(f,
				say("%s asked for a certificate at %s", f.Identity, stamp(f.At)),
				say("its public key is on record as that of %s", f.Other))
			n.Key = f.Identity + " with the key of " + f.Other
			e.find(r, n)
		},
	}
}
