package deliver

import (
	"fmt"
	"strings"
)

// Patterns are actions, each whole ("certificate.revoke") or what they begin with and a
// star ("alert.*", "*"). None at all is every action.
type Patterns []string

// Check returns an error that says which of them is no pattern.
func (p Patterns) Check() error {
	for _, one := range p {
		stem := strings.TrimSuffix(one, "*")
		if one == "" || len(one) > 64 || strings.Trim(stem, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
			return fmt.Errorf("%q is not an action, or the beginning of some, such as \"certificate.revoke\" or \"alert.*\"", one)
		}
	}
	return nil
}

// Match reports whether an action is among them.
func (p Patterns) Match(action string) bool {
	for _, one := range p {
		if stem, open := strings.CutSuffix(one, "*"); one == action || open && strings.HasPrefix(action, stem) {
			return true
		}
	}
	return len(p) == 0
}

// Guards reports whether some of what guards write may be among them.
func (p Patterns) Guards() bool {
	for _, one := range p {
		stem, open := strings.CutSuffix(one, "*")
		for _, kind := range [...]string{"access.", "journal."} {
			if strings.HasPrefix(one, kind) || open && strings.HasPrefix(kind, stem) {
				return true
			}
		}
	}
	return len(p) == 0
}
