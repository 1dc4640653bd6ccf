package alert

import "time"

// f05: machines of a site are in the last quarter of their certificates' lives and did not
// renew: twice as many as at that hour of other days, and more than a fifth of the site, and
// than five. Those that are switched off each night are as many each night; until a week is
// known, more than half of the site is too many.
func f05() *rule {
	return &rule{
		Rule: Rule{
			ID: "F05", Class: Fleet, Severity: Low, Title: "certificates end without a renewal",
			Do:    "See whether the site reaches the CA. Machines that are out of use are retired: betonica identity retire.",
			Quiet: 48 * time.Hour,
		},
		kinds: []Kind{Unrenewed},
		look: func(e *Engine, r *rule, f *Fact, _ *habit) {
			s := e.groups.put(e.hash("unrenewed", f.Site))
			if !s.enter(momentOf(f.At)) {
				return
			}
			s.N = max(s.N, f.Count)
			most := max(5, f.Of/2)
			if usual, known := s.usual(week); known {
				most = max(5, f.Of/5, 2*usual)
			}
			key := group(r, f.Site)
			if f.Count <= most {
				e.settle(r, key, say("there are %d, up to %d are nothing odd", f.Count, most))
				return
			}
			n := of(f,
				say("up to %d of %d machines are nothing odd at this hour of the day", most, f.Of),
				say("at %s %d are in the last quarter of their certificates' lives; the first to end is that of %s, at %s", stamp(f.At), f.Count, f.Other, stamp(f.Ends)))
			n.Key, n.Subject = key, f.Site
			e.find(r, n)
		},
	}
}
