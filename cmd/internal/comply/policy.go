package comply

import (
	"context"
	"fmt"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/allow/rulefile"
	"github.com/betonica/betonica/store/compliance"
)

// policyName is what the policy is called where warnings name it.
const policyName = "policy.toml"

// policy tells what the policy in force says.
func (o *Office) policy(ctx context.Context) (compliance.Policy, error) {
	current := o.Policies.Current()
	var p compliance.Policy
	for _, name := range current.Roles() {
		r, _ := current.Role(name)
		p.Roles = append(p.Roles, compliance.Role{
			Name: name, Privileged: ca.Privileged(name), Lifetime: r.Lifetime, Proofs: r.Proofs, ServerKeys: r.ServerKeys,
			Dormant: r.DormantAfter, Attest: r.AttestEvery,
		})
	}
	record, err := o.Store.CurrentPolicy(ctx)
	if err != nil {
		return p, err
	}
	p.Rules, err = rulesOf(record.Text, o.TrustDomain)
	return p, err
}

// rulesOf lists the rules of guards, with what is wide about them.
func rulesOf(text []byte, trustDomain string) ([]compliance.Rule, error) {
	file, err := rulefile.ParsePolicy(policyName, text, trustDomain)
	if err != nil {
		return nil, fmt.Errorf("reading the policy in force: %w", err)
	}
	wide := map[string][]string{}
	for _, w := range rulefile.Lint(policyName, text, file) {
		if name, why, ok := strings.Cut(strings.TrimPrefix(w.Text, `rule "`), `": `); ok {
			wide[name] = append(wide[name], why)
		}
	}
	var rules []compliance.Rule
	for _, r := range file.Rules.Rules() {
		one := compliance.Rule{Name: r.Name, Wide: wide[r.Name]}
		for _, peer := range r.Peers {
			one.Peers = append(one.Peers, strings.TrimPrefix(peer, "spiffe://"+trustDomain+"/"))
		}
		rules = append(rules, one)
	}
	return rules, nil
}
