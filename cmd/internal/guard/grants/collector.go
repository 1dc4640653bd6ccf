package grants

import (
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// A Collector counts who did what. It keeps a count for each different access, not the
// records.
type Collector struct {
	// PerGuard tells guards apart, as the CA's policy does. It must not change once
	// records were added.
	PerGuard bool

	// Since leaves out records of before; zero: none.
	Since time.Time

	uses        map[deed]*use
	rules       map[ruleUse]*use
	records     int64
	left        int64 // that no rule can allow
	first, last time.Time
	trustDomain string
}

// A deed is somebody's access.
type deed struct {
	caller string
	access access
}

// ruleUse is a rule that let somebody do something.
type ruleUse struct{ rule, caller string }

// Add counts a record. It returns [ErrTooMany] where there is no more room.
func (c *Collector) Add(r record.Record) error {
	at := r.Begin
	if at.Before(c.Since) {
		return nil
	}
	if c.uses == nil {
		c.uses, c.rules = make(map[deed]*use), make(map[ruleUse]*use)
	}
	a, counts := accessOf(r)
	if !counts {
		return nil
	}
	c.records++
	if guard, err := allow.ParseID(r.Guard); err == nil {
		c.trustDomain = guard.TrustDomain()
	}
	if c.first.IsZero() || at.Before(c.first) {
		c.first = at
	}
	if at.After(c.last) {
		c.last = at
	}
	if r.Rule != "" {
		count(c.rules, ruleUse{r.Rule, r.Caller}, use{1, at})
	}
	if !c.PerGuard {
		a.guard = ""
	}
	key := deed{r.Caller, a}
	if c.uses[key] == nil && !possible(key) {
		c.left++
		return nil
	}
	count(c.uses, key, use{1, at})
	if len(c.uses) > maxUses || len(c.rules) > maxUses {
		return ErrTooMany
	}
	return nil
}

func count[K comparable](all map[K]*use, key K, v use) {
	u := all[key]
	if u == nil {
		u = new(use)
		all[key] = u
	}
	u.add(v)
}

// possible reports whether a rule can allow the access, to its caller.
func possible(u deed) bool {
	id, err := allow.ParseID(u.caller)
	if err != nil {
		return false
	}
	if strings.Contains(u.access.called+u.access.calling, "*") {
		return false // to a rule it is any title
	}
	set, err := allow.NewSet(u.access.rule("x", []string{u.caller}))
	if err != nil {
		return false
	}
	_, allowed := set.Decide(id, u.access.request())
	return allowed
}

// Records returns how many records were counted, when the first and the last of them
// were, and how many of them no rule can allow.
func (c *Collector) Records() (counted, left int64, first, last time.Time) {
	return c.records, c.left, c.first, c.last
}

// TrustDomain returns that of the guards; "" if there were no records.
func (c *Collector) TrustDomain() string { return c.trustDomain }

// roleMembers returns how many of each role did anything at all; a role is a SPIFFE ID
// without the name.
func (c *Collector) roleMembers() map[string]int {
	seen := make(map[string]bool)
	members := make(map[string]int)
	for u := range c.uses {
		if !seen[u.caller] {
			seen[u.caller] = true
			members[roleOf(u.caller)]++
		}
	}
	return members
}

func roleOf(id string) string { return id[:strings.LastIndexByte(id, '/')] }
