package grants

import (
	"slices"
	"sort"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// counted is an access with its use.
type counted struct {
	access access
	use
}

// merged is a rule for several accesses, and their use together.
type merged struct {
	rule allow.Rule
	use
}

// merge makes rules of accesses that are of one listener, kind and peers. A rule allows
// every combination of its lists: so it is made of two lists only where each item of the
// one was done with each of the other, and allows no more than what was counted.
func merge(accesses []counted) []merged {
	// Not slices.SortFunc, which is made anew for each struct: 40 KB on each machine's disk.
	sort.Slice(accesses, func(i, j int) bool { return accesses[i].access.key() < accesses[j].access.key() })
	// First what was done with one thing, then the things with which the same was done,
	// then, of DICOM, the callers that did the same.
	rules := make([]merged, len(accesses))
	for i, c := range accesses {
		rules[i] = merged{c.access.rule("x", []string{"x"}), c.use}
	}
	switch accesses[0].access.kind {
	case allow.TCP:
	case allow.HTTP:
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.HTTP.Methods })
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.HTTP.Routes })
	case allow.FHIR:
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.FHIR.Interactions })
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.FHIR.Types })
	case allow.HL7:
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.HL7.Messages })
	case allow.DICOM:
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.DICOM.Commands })
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.DICOM.SOPClasses })
		rules = fold(rules, func(r allow.Rule) *[]string { return &r.DICOM.Calling })
	}
	return rules
}

// fold puts rules together that are the same but for one list, in the order of the
// first of each. What is nil in one, and so means everything, stays apart.
func fold(rules []merged, list func(allow.Rule) *[]string) []merged {
	at := make(map[string]int)
	var all []merged
	for _, m := range rules {
		rest := m.rule.Clone()
		if *list(rest) == nil {
			all = append(all, m)
			continue
		}
		*list(rest) = nil
		key := string(rulefile.Append(nil, rest, ""))
		i, ok := at[key]
		if ok && len(*list(all[i].rule)) < maxItems {
			into := list(all[i].rule)
			*into = append(*into, *list(m.rule)...)
			slices.Sort(*into)
			all[i].use.add(m.use)
			continue
		}
		at[key] = len(all)
		all = append(all, m)
	}
	return all
}
