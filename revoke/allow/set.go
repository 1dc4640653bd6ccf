package allow

import (
	"errors"
	"fmt"
	"slices"
)

// The bounds of a set.
const (
	maxRules = 2000
	maxItems = 256 // of one list of a rule
	maxText  = 512 // bytes of one item
)

// everything, as an item of a list, is that.
const everything = "*"

// A Set of rules is what is allowed: whatever none of them names is denied. The zero
// Set allows nothing. It never changes.
type Set struct {
	rules  []Rule
	byKind [kinds][]entry // each in the order of the rules
}

// An entry is a rule that has been checked.
type entry struct {
	name      string
	peers     Peers
	listeners []string
	grant     grant
}

// A grant is what a rule says besides peers and listeners.
type grant interface {
	check(c *checker)
	covers(r *Request) bool // no allocation
}

// NewSet checks every rule and puts them together. What is wrong comes back as one or
// several joined [*RuleError], in the order of the rules. At most 2,000 rules, 256
// items of a list and 512 bytes of an item are taken.
func NewSet(rules ...Rule) (Set, error) {
	if len(rules) > maxRules {
		return Set{}, &RuleError{maxRules, rules[maxRules].Name, "", -1, fmt.Errorf("there are more than %d rules", maxRules)}
	}
	var set Set
	var errs []error
	names := make(map[string]bool, len(rules))
	for i, r := range rules {
		r = r.Clone()
		c := checker{rule: r, index: i}
		if names[r.Name] {
			c.fail("name", -1, errors.New("another rule has this name"))
		}
		names[r.Name] = true
		set.add(&c)
		errs = append(errs, c.errs...)
	}
	if len(errs) > 0 {
		return Set{}, errors.Join(errs...)
	}
	return set, nil
}

func (s *Set) add(c *checker) {
	r := c.rule
	if !within(r.Name, nameByte) {
		c.fail("name", -1, fmt.Errorf("the name must be 1 to %d of A-Z, a-z, 0-9, ., _ and -", maxPart))
	}
	one := entry{name: r.Name, listeners: r.Listeners, grant: r.grant()}
	if len(r.Peers) == 0 {
		c.fail("peers", -1, errors.New("no peer is named"))
	}
	c.list("peers", r.Peers, func(text string) error {
		p, err := parsePattern(text)
		one.peers.patterns = append(one.peers.patterns, p)
		return err
	})
	if i := slices.Index(r.Peers, everything); i >= 0 {
		c.fail("peers", i, errors.New(`"*" is no pattern; whomever a CA certified is spiffe://TRUST-DOMAIN/*`))
	}
	c.list("listener", r.Listeners, func(text string) error {
		if !within(text, nameByte) {
			return fmt.Errorf("%q is not the name of a listener: 1 to %d of A-Z, a-z, 0-9, ., _ and -", clip(text), maxPart)
		}
		return nil
	})
	if one.grant == nil {
		c.fail("", -1, errors.New("a rule has exactly one of tcp, http, fhir, hl7 and dicom"))
		return
	}
	one.grant.check(c)
	s.rules = append(s.rules, r)
	s.byKind[r.Kind()] = append(s.byKind[r.Kind()], one)
}

// grant returns the part that the rule's kind has; nil if it is not of exactly one.
func (r Rule) grant() grant {
	switch r.Kind() {
	case TCP:
		return tcpRule{}
	case HTTP:
		return r.HTTP
	case FHIR:
		return r.FHIR
	case HL7:
		return r.HL7
	case DICOM:
		return r.DICOM
	}
	return nil
}

// Decide reports whether id may do what r says, and the name of the first rule that
// says so. It allocates nothing; it costs at most the product of the rules, the items
// of their lists, and the lengths of the texts that are compared.
func (s Set) Decide(id ID, r *Request) (rule string, allowed bool) {
	if r.Kind >= kinds {
		return "", false
	}
	for i := range s.byKind[r.Kind] {
		if one := &s.byKind[r.Kind][i]; listed(one.listeners, r.Listener) && one.peers.Match(id) && one.grant.covers(r) {
			return one.name, true
		}
	}
	return "", false
}

// Admits reports whether any rule lets id do anything at a listener: whether it is
// worth a connection.
func (s Set) Admits(id ID, listener string) bool {
	for k := range s.byKind {
		for i := range s.byKind[k] {
			if one := &s.byKind[k][i]; listed(one.listeners, listener) && one.peers.Match(id) {
				return true
			}
		}
	}
	return false
}

// Len returns the number of rules.
func (s Set) Len() int { return len(s.rules) }

// Rules returns the rules of the set, in order, as the caller's own.
func (s Set) Rules() []Rule {
	all := make([]Rule, len(s.rules))
	for i, r := range s.rules {
		all[i] = r.Clone()
	}
	return all
}

// listed reports whether a list names s, or everything.
func listed(list []string, s string) bool {
	return some(list, func(item string) bool { return item == everything || item == s })
}

// some reports whether one item of a list is so, or there is no list.
func some(list []string, is func(string) bool) bool {
	for _, item := range list {
		if is(item) {
			return true
		}
	}
	return list == nil
}

type tcpRule struct{}

func (tcpRule) check(*checker)       {}
func (tcpRule) covers(*Request) bool { return true }
