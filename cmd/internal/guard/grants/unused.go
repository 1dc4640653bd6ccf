package grants

import (
	"sort"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

// A Grant is a rule for one of its peers, and when it was last used.
type Grant struct {
	Rule string    `json:"rule"`
	Peer string    `json:"peer"` // as the rule names it
	Uses int64     `json:"uses"`
	Last time.Time `json:"last_use,omitzero"` // zero: never
}

// Unused returns the grants of rules that nobody has used since a time, in the order of
// the rules: those that could be taken back. A pattern is used if anybody used it whom
// it names.
func (c *Collector) Unused(rules []allow.Rule, since time.Time) []Grant {
	var unused []Grant
	for _, r := range rules {
		for _, pattern := range r.Peers {
			g := Grant{Rule: r.Name, Peer: pattern}
			u := c.used(r.Name, pattern)
			g.Uses, g.Last = u.count, u.last
			if g.Last.Before(since) {
				unused = append(unused, g)
			}
		}
	}
	return unused
}

// Idle returns the callers that have used none of the rules since a time, though they did
// before, by rule: whom a pattern could leave out.
func (c *Collector) Idle(since time.Time) []Grant {
	var idle []Grant
	for key, u := range c.rules {
		if u.last.Before(since) {
			idle = append(idle, Grant{key.rule, key.caller, u.count, u.last})
		}
	}
	sort.Slice(idle, func(i, j int) bool { return idle[i].Rule+"\n"+idle[i].Peer < idle[j].Rule+"\n"+idle[j].Peer }) // small: see merge
	return idle
}

// used sums up who used a rule of those that a pattern names.
func (c *Collector) used(rule, pattern string) use {
	var sum use
	peers, err := allow.ParsePeers(pattern)
	if err != nil { // it is of a set
		return sum
	}
	for key, u := range c.rules {
		if id, err := allow.ParseID(key.caller); err == nil && key.rule == rule && peers.Match(id) {
			sum.add(*u)
		}
	}
	return sum
}
