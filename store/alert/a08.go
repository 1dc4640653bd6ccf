package alert

import (
	"cmp"
	"time"
)

const (
	lagMost        = 5 * time.Minute
	checkpointMost = 2 * time.Hour
)

// a08: what proves has to be there: records that arrive where they are kept, checkpoints that
// are signed, logs that verify. Lags and ages resolve once they are half as long as they may
// be; a contradiction does not take itself back.
func a08() *rule {
	return &rule{
		Rule: Rule{
			ID: "A08", Class: Invariant, Severity: Critical, Title: "evidence is late or does not verify",
			Do:    "Late: look at the receiver and the network (betonicad doctor). Does not verify: stop, keep a copy of database and evidence file, and run betonicad audit verify.",
			Quiet: 7 * 24 * time.Hour,
		},
		kinds: []Kind{Lag, Checkpoint, Verified, Evidence},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			switch f.Kind {
			case Lag:
				overdue(e, r, f, "delivery to "+f.Other, lagMost)
			case Checkpoint:
				overdue(e, r, f, "the newest checkpoint", checkpointMost)
			case Verified:
				verified(e, r, f)
			case Evidence:
				n := of(f, say("%s of %s, at %s", f.Code, f.Identity, stamp(f.At)), f.Why)
				n.Key = f.Identity + ", " + f.Code
				e.find(r, n)
			}
		},
	}
}

// overdue compares an age with what it may be.
func overdue(e *Engine, r *rule, f *Fact, what string, most time.Duration) {
	switch {
	case f.Age > most:
		n := of(f, say("%s is %s behind, at %s", what, spell(f.Age), stamp(f.At)), say("it may be %s", spell(most)))
		n.Key = what
		e.find(r, n)
	case f.Age <= most/2:
		e.settle(r, what, say("it is %s behind", spell(f.Age)))
	}
}

func verified(e *Engine, r *rule, f *Fact) {
	log := cmp.Or(f.Other, "the CA's log")
	if f.Why == "" {
		e.settle(r, log, "it verifies")
		return
	}
	n := of(f, say("%s was verified at %s", log, stamp(f.At)), say("it does not verify: %s", f.Why))
	n.Key = log
	e.find(r, n)
}
