package grants

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// maxItems is how many items a list of a rule may have: see [allow.NewSet].
const maxItems = 256

// A Suggestion is a rule that records need, and how much.
type Suggestion struct {
	Rule  allow.Rule
	Guard string // SPIFFE ID of the guard; "" if guards were not told apart
	Count int64
	Last  time.Time
}

// Suggest returns the least rules that allow what was counted, in an order that follows
// from it. What at least fromRole identities of a role do, and every one of them that was
// seen, is allowed to the role; anything else to those alone who did it.
func (c *Collector) Suggest(fromRole int) []Suggestion {
	groups, members := make(map[string][]counted), c.roleMembers()
	for a, who := range c.byAccess() {
		named := peers(who.callers, members, fromRole)
		key := strings.Join([]string{a.guard, a.listener, a.kind.String(), strings.Join(named, " ")}, "\n")
		groups[key] = append(groups[key], counted{a, who.use})
	}
	var all []Suggestion
	names := make(map[string]bool)
	for _, key := range sortedKeys(groups) {
		accesses := groups[key]
		named := strings.Fields(key[strings.LastIndexByte(key, '\n')+1:])
		for _, m := range merge(accesses) {
			for chunk := range slices.Chunk(named, maxItems) {
				s := Suggestion{Rule: m.rule.Clone(), Guard: accesses[0].access.guard, Count: m.count, Last: m.last}
				s.Rule.Peers, s.Rule.Name = slices.Clone(chunk), nameOf(m.rule.Kind(), chunk, names)
				all = append(all, s)
			}
		}
	}
	return all
}

// callers are those who did the same.
type callers struct {
	callers []string
	use     use
}

func (c *Collector) byAccess() map[access]*callers {
	all := make(map[access]*callers)
	for u, n := range c.uses {
		who := all[u.access]
		if who == nil {
			who = new(callers)
			all[u.access] = who
		}
		who.callers = append(who.callers, u.caller)
		who.use.add(*n)
	}
	return all
}

// peers returns who is named: a role as a whole where all of its members are there.
func peers(who []string, members map[string]int, fromRole int) []string {
	byRole := make(map[string][]string)
	for _, id := range who {
		byRole[roleOf(id)] = append(byRole[roleOf(id)], id)
	}
	var named []string
	for role, ids := range byRole {
		if len(ids) >= fromRole && len(ids) == members[role] {
			named = append(named, role)
		} else {
			named = append(named, ids...)
		}
	}
	slices.Sort(named)
	return named
}

// nameOf makes a name of what a rule is about: kind, role, and the machine if it is one.
func nameOf(kind allow.Kind, peers []string, taken map[string]bool) string {
	parts := strings.Split(peers[0], "/")[3:]
	name := kind.String() + "-" + strings.Join(parts, "-")
	if len(peers) > 1 {
		name = kind.String() + "-several"
		if roles := rolesOf(peers); len(roles) == 1 {
			name = kind.String() + "-" + roles[0]
		}
	}
	name = name[:min(len(name), 56)]
	unique := name
	for n := 2; taken[unique]; n++ {
		unique = fmt.Sprintf("%s.%d", name, n)
	}
	taken[unique] = true
	return unique
}

func rolesOf(peers []string) []string {
	var roles []string
	for _, p := range peers {
		roles = append(roles, strings.Split(p, "/")[3])
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// Write returns suggestions as a rule file, or with policy as tables of the CA's policy,
// with how often and when each was needed.
func Write(all []Suggestion, policy bool) []byte {
	var text []byte
	for i, s := range all {
		if i > 0 {
			text = append(text, '\n')
		}
		domain := ""
		if len(s.Rule.Peers) > 0 {
			domain = strings.Split(s.Rule.Peers[0], "/")[2]
		}
		comment := fmt.Sprintf("%d times, last %s", s.Count, s.Last.UTC().Format(time.RFC3339))
		if policy {
			_, guard, _ := strings.Cut(strings.TrimPrefix(s.Guard, "spiffe://"), "/")
			text = rulefile.AppendPolicy(text, s.Rule, domain, []string{guard}, comment)
		} else {
			text = rulefile.Append(text, s.Rule, domain, comment)
		}
	}
	return text
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	return keys
}
