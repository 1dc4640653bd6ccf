package alert

import (
	"cmp"
	"time"
)

// a07: a certificate by the CA's key that no record of the CA knows of. Somebody else signs
// with that key, or the store was set back behind what it had issued. It shows where it is
// used: before a guard, which let it through, or before the CA itself.
func a07() *rule {
	return &rule{
		Rule: Rule{
			ID: "A07", Class: Invariant, Severity: Critical, Title: "a certificate that was never issued",
			Do:    "Treat the issuer's key as lost until it is explained: compare with backups and checkpoints kept elsewhere (betonicad audit verify), and be ready to rotate the issuer.",
			Quiet: 30 * 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Unissued},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			n := of(f,
				say("certificate %s, of %s, was seen by %s at %s", f.Serial, cmp.Or(f.Identity, "somebody"), cmp.Or(f.Other, "the CA"), stamp(f.At)),
				say("there is no record that it was issued%s", after(f.Why)))
			n.Key = f.Serial
			e.find(r, n)
		},
	}
}

// after continues a sentence.
func after(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}
