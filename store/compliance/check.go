package compliance

import (
	"slices"
	"time"
)

// A Safeguard is a group of checks, by the paragraph that they are about.
type Safeguard string

// The five technical safeguards of 164.312, and what else has checks.
const (
	Access         Safeguard = "access"
	Audit          Safeguard = "audit"
	Integrity      Safeguard = "integrity"
	Authentication Safeguard = "authentication"
	Transmission   Safeguard = "transmission"
	Administration Safeguard = "administration" // 164.308
	Documentation  Safeguard = "documentation"  // 164.316
)

// Safeguards lists the groups in the rule's order: first the five of 164.312.
func Safeguards() []Safeguard {
	return []Safeguard{Access, Audit, Integrity, Authentication, Transmission, Administration, Documentation}
}

// Title is what the rule calls the group.
func (s Safeguard) Title() string {
	switch s {
	case Access:
		return "Access control"
	case Audit:
		return "Audit controls"
	case Integrity:
		return "Integrity"
	case Authentication:
		return "Person or entity authentication"
	case Transmission:
		return "Transmission security"
	case Administration:
		return "Administrative safeguards"
	}
	return "Documentation"
}

// Cite is the paragraph that the group is about.
func (s Safeguard) Cite() string {
	switch s {
	case Access:
		return "164.312(a)"
	case Audit:
		return "164.312(b)"
	case Integrity:
		return "164.312(c)"
	case Authentication:
		return "164.312(d)"
	case Transmission:
		return "164.312(e)"
	case Administration:
		return "164.308"
	}
	return "164.316"
}

// A Check is one thing that is looked at, as checks.toml has it.
type Check struct {
	ID        string    `toml:"id"`
	Safeguard Safeguard `toml:"safeguard"`
	Cites     []string  `toml:"cites"`    // of 45 CFR
	Title     string    `toml:"title"`    // what holds if it passes
	Rule      string    `toml:"rule"`     // what the rule asks, in short
	Query     string    `toml:"query"`    // where the facts come from
	Do        string    `toml:"do"`       // if it failed
	Untested  string    `toml:"untested"` // what has it tested; empty: Do says that, too

	// Profiles are those that it is part of; empty: of all.
	Profiles []string `toml:"profiles"`

	// Manual is what people attest, since no query shows it.
	Manual bool `toml:"manual"`

	// Within and Most are limits, by profile: an age or a number.
	Within map[string]Span  `toml:"within"`
	Most   map[string]int64 `toml:"most"`
}

// In reports whether the check is part of a profile.
func (c *Check) In(profile string) bool {
	return len(c.Profiles) == 0 || slices.Contains(c.Profiles, profile)
}

// A Span is a length of time, as time.ParseDuration reads it.
type Span struct{ time.Duration }

// UnmarshalText takes what time.ParseDuration does.
func (s *Span) UnmarshalText(text []byte) (err error) {
	s.Duration, err = time.ParseDuration(string(text))
	return err
}

// A Profile is a choice of checks and their limits.
type Profile struct {
	Name     string `toml:"-"`
	Title    string `toml:"title"`
	Note     string `toml:"note"` // what its results are worth
	Proposed bool   `toml:"proposed"`
}
