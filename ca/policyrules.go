package ca

import (
	"errors"
	"fmt"
	"strings"

	"github.com/betonica/betonica/ca/strict"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// ruleTable is [[allow]] of a policy: a rule, and for which guards it is.
type ruleTable struct {
	rulefile.Table
	Guards []string `toml:"guards"`
}

// A guardRule is a ruleTable that has been checked.
type guardRule struct {
	table  rulefile.Table
	guards allow.Peers
}

// anyDomain stands for the trust domain while a policy is checked, which does not say
// in which one it holds.
const anyDomain = "policy"

// GuardRules returns what may be reached through a guard: the rules of the policy's
// tables [[allow]] whose key guards names it, in their order. None is no error: that
// guard lets nobody in.
func (p *Policy) GuardRules(guard ID) []allow.Rule {
	id, err := allow.ParseID(scheme + anyDomain + "/" + guard.Path())
	if err != nil {
		return nil // the zero ID
	}
	var rules []allow.Rule
	for _, r := range p.guardRules {
		if r.guards.Match(id) {
			rules = append(rules, r.table.Rule(guard.TrustDomain()))
		}
	}
	return rules
}

// readRules checks the tables. Peers and guards are of the CA's own trust domain, and
// so written without it.
func readRules(filename string, text []byte, tables []ruleTable) ([]guardRule, error) {
	plain := make([]rulefile.Table, len(tables))
	rules := make([]guardRule, len(tables))
	var errs []*strict.Error
	for i, t := range tables {
		fail := func(err error, path ...any) {
			errs = append(errs, strict.At(filename, text, fmt.Errorf("rule %q: %w", clip(t.Name), err), append([]any{rulefile.Key, i}, path...)...))
		}
		for n, peer := range t.Peers {
			if strings.HasPrefix(peer, scheme) {
				fail(errors.New("peers of a policy are of its own trust domain: write them as device/SN-*, or device for a whole role"), "peers", n)
			}
		}
		patterns := make([]string, len(t.Guards))
		for n, guard := range t.Guards {
			patterns[n] = scheme + anyDomain + "/" + guard
			if _, err := allow.ParsePeers(patterns[n]); err != nil {
				fail(fmt.Errorf("%q is not a guard such as gateway/gw-icu, or gateway for a whole role", clip(guard)), "guards", n)
			}
		}
		if len(patterns) == 0 {
			fail(errors.New("guards must say at which guards it holds"))
		}
		guards, _ := allow.ParsePeers(patterns...) // each was checked
		plain[i], rules[i] = t.Table, guardRule{t.Table, guards}
	}
	if _, err := rulefile.Rules(filename, text, plain, anyDomain); err != nil {
		return nil, errors.Join(strict.Join(errs), err)
	}
	return rules, strict.Join(errs)
}
