package alert

import "time"

// f01: more machines enrol in an hour than five times what that hour of the day has seen, and
// more than twenty: a token has got about, or somebody enrols what he likes. When a ward is
// fitted out, say so before: planned work is no burst.
func f01() *rule {
	return &rule{
		Rule: Rule{
			ID: "F01", Class: Fleet, Severity: High, Title: "a burst of enrolments",
			Do:    "Ask whoever made the tokens. If nobody fits out a ward, revoke the tokens, then what they enrolled.",
			Quiet: 2 * time.Hour,
		},
		kinds: []Kind{Issued, Joined},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			if f.Renewal {
				return
			}
			role := f.Role()
			s := e.groups.put(e.hash("enrolments", role))
			if !s.enter(momentOf(f.At)) {
				return
			}
			s.N++
			usual, _ := s.usual(leastDays)
			most := max(20, 5*usual)
			if s.N <= most {
				return
			}
			n := of(f,
				say("at this hour of the day, role %s has %d enrolments; up to %d are nothing odd", role, usual, most),
				say("in the hour of %s there are %d", stamp(f.At), s.N))
			n.Key, n.Subject, n.Site = "role "+role, "role "+role, ""
			e.find(r, n)
		},
	}
}
