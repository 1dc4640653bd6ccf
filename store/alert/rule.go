package alert

import "time"

// A Class says what a rule compares.
type Class string

const (
	Invariant Class = "invariant" // a fact with what must never be
	Baseline  Class = "baseline"  // a machine with itself, as it was learned
	Fleet     Class = "fleet"     // numbers with those of the same hour of other days
)

// A Rule is one line of the list of rules, for people to read.
type Rule struct {
	ID       string
	Class    Class
	Severity Severity // of most of its alerts
	Title    string
	Do       string // what a person does about it
	Propose  Action // "" is none

	// Hold is how long a finding waits for a reason to drop it. Quiet is after how long
	// without another one the alert resolves by itself; 0: only when what it measures is
	// good again.
	Hold, Quiet time.Duration

	// Gather is how many alerts of one site may be open, 0 any number: the next makes them
	// one alert. Everywhere says that all sites are one.
	Gather     int
	Everywhere bool
}

// A rule is a Rule and what carries it out.
type rule struct {
	Rule
	kinds []Kind // that it looks at
	ends  []Kind // that resolve what is open about the same machine

	renewed bool // a renewal is an end, too, and not only what a person did

	// look judges a fact. h is what is known of its machine before the fact, nil if the
	// fact has none or there is no room.
	look func(e *Engine, r *rule, f *Fact, h *habit)
}

// rules lists the rules, one file each.
func rules() []*rule {
	return []*rule{
		a01(), a02(), a03(), a04(), a05(), a06(), a07(), a08(), a09(),
		b01(), b02(), b03(), b04(), b05(),
		f01(), f02(), f03(), f04(), f05(),
	}
}

// Rules lists the rules, in the order of their IDs.
func Rules() (all []Rule) {
	for _, r := range rules() {
		all = append(all, r.Rule)
	}
	return all
}
