package alert

import "time"

const (
	dormant = 30 * 24 * time.Hour // at least, however rarely it is used
	buried  = 90 * 24 * time.Hour // who wakes after that should be vouched for

	leastGaps = 5 // that say how long it uses to sleep
)

// b04: a machine that slept for a month, or five times as long as it uses to, wakes: it lay
// in a store room, or on a table in the market. A ward that opens again wakes three of a site.
func b04() *rule {
	return &rule{
		Rule: Rule{
			ID: "B04", Class: Baseline, Severity: Medium, Title: "a machine wakes after long",
			Do:   "Ask the owner where it was, and whether it is his still. If nobody knows, suspend the identity.",
			Hold: 30 * time.Minute, Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Used, Issued, Late}, ends: []Kind{Revoked, Suspended},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			at := momentOf(f.At)
			var last moment
			least, slept := dormant, "it was last heard of at %s"
			switch {
			case f.Kind == Late: // the log says by itself for how long
				last, slept = momentOf(f.Ends), "its certificate expired at %s"
			case h == nil || h.Last == 0:
				return
			default:
				last = h.Last
				if h.Gaps.total() >= leastGaps {
					least = max(least, 5*time.Duration(h.Gaps.quantile(1, 2))*time.Second)
				}
			}
			gap := at.since(last)
			if last == 0 || gap <= least {
				return
			}
			n := of(f, say("%s: "+slept, f.Identity, last), say("it is back at %s, after %s", stamp(f.At), spell(gap)))
			if h != nil && f.Kind != Late {
				n.Entries = append([]Ref{e.cite(h.LastCited)}, n.Entries...)
			}
			if gap > buried {
				n.Propose = Hold
			}
			if f.Site != "" {
				n.Crowd = mix(e.hash("wakes", f.Site), uint64(at/86400))
				e.join(n.Crowd, f.id, at, residence)
			}
			e.find(r, n)
		},
	}
}
