package ca

import (
	"fmt"
	"slices"

	"github.com/betonica/betonica/ca/strict"
)

const keyAct = "alerts.act"

// acting are the rules of alerts that propose to suspend an identity: whoever runs the
// rules holds this to theirs.
var acting = []string{"A02", "B04"}

// Acts reports whether what a rule of alerts proposes about a machine is done: it is
// suspended, and gets no certificate any more until somebody resumes it. That is what the
// key act of the table [alerts] lists. By default no rule acts, since who copies a key could
// switch off a pump by using it: it raises an alert, and a person decides.
func (p *Policy) Acts(rule string) bool { return slices.Contains(p.act, rule) }

// Acting returns the rules that can act, in order.
func Acting() []string { return slices.Clone(acting) }

// readAct checks the key act.
func readAct(filename string, text []byte, rules []string) (act []string, errs []*strict.Error) {
	for i, rule := range rules {
		var err error
		switch {
		case !slices.Contains(acting, rule):
			err = fmt.Errorf("no rule %q can act; there are %q", clip(rule), acting)
		case slices.Contains(act, rule):
			err = fmt.Errorf("rule %q is there twice", rule)
		default:
			act = append(act, rule)
			continue
		}
		errs = append(errs, strict.At(filename, text, fmt.Errorf("act: %w", err), "alerts", "act", i))
	}
	return act, errs
}
