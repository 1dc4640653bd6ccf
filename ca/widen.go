package ca

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Widening is one thing that a policy lets through and the policy before did not.
type Widening struct {
	Role string `json:"role,omitempty"` // empty: a rule of guards
	Key  string `json:"key,omitempty"`  // of the role, or the name of the rule; empty: the whole role
	What string `json:"what"`           // for people: "24h0m0s to 30d"
}

func (w Widening) String() string {
	switch {
	case w.Role == "" && w.Key == keyAct:
		return w.Key + ": " + w.What
	case w.Role == "":
		return fmt.Sprintf("rule %q: %s", w.Key, w.What)
	case w.Key == "":
		return fmt.Sprintf("role %q: %s", w.Role, w.What)
	}
	return fmt.Sprintf("role %q: %s: %s", w.Role, w.Key, w.What)
}

// Widenings returns what next lets through that last did not, in the order of roles and
// of the guards' rules; none means that whoever gets something under next would have had
// it under last. What cannot be compared is a widening: a pattern, or a rule of guards, is
// held against each one of before by itself.
func Widenings(last, next *Policy) []Widening {
	var all []Widening
	for _, name := range slices.Sorted(maps.Keys(next.roles)) {
		before, ok := last.roles[name]
		if !ok {
			all = append(all, Widening{Role: name, What: "it is new"})
			continue
		}
		for _, d := range dimensions {
			if what := d.wider(before.Role, next.roles[name].Role); what != "" {
				all = append(all, Widening{Role: name, Key: d.key, What: what})
			}
		}
	}
	for _, rule := range last.act {
		if !next.Acts(rule) {
			all = append(all, Widening{Key: keyAct, What: "whoever " + rule + " is about is not suspended any more"})
		}
	}
	for _, rule := range next.guardRules {
		if !slices.ContainsFunc(last.guardRules, func(before guardRule) bool { return before.covers(rule) }) {
			all = append(all, Widening{Key: rule.table.Name, What: "no single rule of before lets through all of it"})
		}
	}
	return all
}

func (r guardRule) covers(other guardRule) bool {
	return r.guards.Covers(other.guards) && r.table.Rule(anyDomain).Covers(other.table.Rule(anyDomain))
}

// A dimension is one thing that a role says: wider tells what of it was not so before,
// or "".
type dimension struct {
	field string // of Role
	key   string // of the policy file
	wider func(last, next Role) string
}

// dimensions are all fields of [Role] but its name.
var dimensions = [...]dimension{
	{"Names", "names", func(last, next Role) string {
		return added(next.Names, func(p Pattern) bool {
			return slices.ContainsFunc(last.Names, func(before Pattern) bool { return before.covers(p) })
		})
	}},
	{"DNS", "dns", func(last, next Role) string {
		return added(next.DNS, func(rule string) bool {
			return slices.ContainsFunc(last.DNS, func(before string) bool { return coversDNS(before, rule) })
		})
	}},
	{"IPs", "ip", func(last, next Role) string { return added(next.IPs, inside(last.IPs)) }},
	{"Usages", "usages", func(last, next Role) string { return added(next.Usages, in(last.Usages)) }},
	{"Lifetime", "lifetime", func(last, next Role) string { return longer(last.Lifetime, next.Lifetime) }},
	{"Keys", "keys", func(last, next Role) string {
		return added(next.Keys, func(kind string) bool {
			return slices.ContainsFunc(last.Keys, func(before string) bool { return coversKey(before, kind) })
		})
	}},
	{"Methods", "methods", func(last, next Role) string { return added(next.Methods, in(last.Methods)) }},
	{"Proofs", "proofs", func(last, next Role) string {
		if next.Proofs < last.Proofs {
			return fmt.Sprintf("%d to %d", last.Proofs, next.Proofs)
		}
		return ""
	}},
	{"Rekey", "rekey", func(last, next Role) string { return given(last.Rekey && !next.Rekey, "not required any more") }},
	{"AttestationRoots", "attestation_roots", func(last, next Role) string { return addedRoots(last.AttestationRoots, next.AttestationRoots) }},
	{"ManufacturerRoots", "manufacturer_roots", func(last, next Role) string { return addedRoots(last.ManufacturerRoots, next.ManufacturerRoots) }},
	{"TPMRoots", "tpm_roots", func(last, next Role) string { return addedRoots(last.TPMRoots, next.TPMRoots) }},
	{"Grace", "grace", func(last, next Role) string { return longer(last.Grace, next.Grace) }},
	{"ChannelBinding", "channel_binding", func(last, next Role) string {
		return given(last.ChannelBinding && !next.ChannelBinding, "not required any more")
	}},
	{"ServerKeys", "server_keys", func(last, next Role) string { return given(!last.ServerKeys && next.ServerKeys, "true") }},
	{"DormantAfter", "dormant_after", func(last, next Role) string { return laxer(last.DormantAfter, next.DormantAfter) }},
	{"AttestEvery", "attest_every", func(last, next Role) string { return laxer(last.AttestEvery, next.AttestEvery) }},
	{"OwnerRequired", "owner", func(last, next Role) string {
		return given(last.OwnerRequired && !next.OwnerRequired, "not required any more")
	}},
	{"SuspendStale", "suspend_stale", func(last, next Role) string { return given(last.SuspendStale && !next.SuspendStale, "false") }},
	{"Networks", "networks", widerNetworks},
	{"ShareNames", "share_names", func(last, next Role) string { return given(!last.ShareNames && next.ShareNames, "true") }},
	{"Fork", "fork", func(last, next Role) string {
		return given(last.Fork == ForkRefuse && next.Fork != ForkRefuse, "not refused any more")
	}},
}

// widerNetworks also sees that a network to speak from counts as one of the proofs.
func widerNetworks(last, next Role) string {
	switch {
	case len(next.Networks) == 0:
		return given(len(last.Networks) > 0, "from anywhere")
	case len(last.Networks) > 0:
		return added(next.Networks, inside(last.Networks))
	case next.Proofs-1 < last.Proofs && last.Proofs > 1:
		return "speaking from them counts as a proof"
	}
	return ""
}

func longer(last, next time.Duration) string {
	return given(next > last, inDays(last)+" to "+inDays(next))
}

// laxer is longer for what may be never, which is 0.
func laxer(last, next time.Duration) string {
	switch {
	case last == 0 || next != 0 && next <= last:
		return ""
	case next == 0:
		return inDays(last) + " to never"
	}
	return longer(last, next)
}

func given(wider bool, what string) string {
	if wider {
		return what
	}
	return ""
}
