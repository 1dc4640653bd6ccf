package alert

import "time"

const (
	failing      = 5 // machines at least, however small their group
	failingShare = 50
)

// f04: more than one in fifty machines of a role fail to renew in one hour: a policy or a
// version that was rolled out is bad, and the rest will follow. Machines count once. Where
// nobody says how large the role is, five are enough.
func f04() *rule {
	return &rule{
		Rule: Rule{
			ID: "F04", Class: Fleet, Severity: High, Title: "many machines of a role cannot renew", Propose: Pause,
			Do:    "Stop the rollout. See in the log why they were refused: betonica audit list --action certificate.refuse.",
			Quiet: 2 * time.Hour,
		},
		kinds: []Kind{Refused},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			role, at := f.Role(), momentOf(f.At)
			key := e.hash("failing", role)
			g := e.groups.put(key)
			if !g.enter(at) {
				return
			}
			once := mix(mix(key, f.id), uint64(at/3600))
			if e.distinct.peek(once) == nil {
				*e.distinct.put(once) = at
				g.N++
			}
			if g.N < failing || g.N*failingShare <= g.Size {
				return
			}
			n := of(f,
				say("role %s has %d machines; up to %d may fail in an hour", role, g.Size, max(failing-1, g.Size/failingShare)),
				say("in the hour of %s %d failed, last %s: %s", stamp(f.At), g.N, f.Identity, f.Why))
			n.Key, n.Subject, n.Site = "role "+role, "role "+role, ""
			e.find(r, n)
		},
	}
}
