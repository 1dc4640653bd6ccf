package alert

import "time"

const (
	loadLearning = 14 * 24 * time.Hour
	loadHours    = 24    // with load, at least
	loadFactor   = 8     // times the 99th percentile
	leastKiB     = 65536 // in an hour, that are never too many: 64 MiB
	leastAsks    = 2000
)

// b05: a machine that moves, or asks for, eight times what its busiest hours had is not doing
// what it did: it fetches a whole archive. It is compared with itself alone, after two weeks,
// and what is little for any machine is never much. Three machines of a role that do so on
// one day have got something to catch up with.
func b05() *rule {
	return &rule{
		Rule: Rule{
			ID: "B05", Class: Baseline, Severity: Medium, Title: "far more data or requests than ever",
			Do:   "See in the guard's records what was asked for (betonica audit records), and ask the owner. If nobody knows, suspend the identity.",
			Hold: 10 * time.Minute, Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Used}, ends: []Kind{Revoked, Suspended},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			at := momentOf(f.At)
			if h == nil || h.age(at) < loadLearning || h.Load.total() < loadHours {
				return
			}
			was := h.hour(at)
			for _, m := range [...]struct {
				what                string
				before, now, normal int64
				least               int64
			}{
				{"KiB", was.Bytes >> 10, (was.Bytes + f.Bytes) >> 10, h.Load.quantile(99, 100), leastKiB},
				{"requests", int64(was.Asks), int64(was.Asks) + 1, h.Asks.quantile(99, 100), leastAsks},
			} {
				most := max(loadFactor*m.normal, m.least)
				if m.now <= most || m.before > most { // the fact that goes beyond, and no other
					continue
				}
				n := of(f,
					say("in 99 of 100 hours %s has at most %d %s, of which up to %d are nothing odd", f.Identity, m.normal, m.what, most),
					say("in the hour of %s it has %d %s", stamp(f.At), m.now, m.what), e.cite(h.LastCited))
				n.Crowd = mix(e.hash("load", f.Role()), uint64(at/86400))
				e.join(n.Crowd, f.id, at, residence)
				e.find(r, n)
			}
		},
	}
}

// hour returns the load of an hour, as far as it is known.
func (h *habit) hour(at moment) hour {
	for _, o := range h.Hours {
		if o.Hour == uint32(at/3600) {
			return o
		}
	}
	return hour{}
}

// load adds a use to its hour. Two hours are open: that of now, and one that a guard tells
// late; the earlier is closed for a third.
func (h *habit) load(f *Fact, at moment) {
	hr := uint32(at / 3600)
	o := &h.Hours[0]
	if h.Hours[1].Hour == hr || o.Hour != hr && h.Hours[1].Hour < o.Hour {
		o = &h.Hours[1]
	}
	if o.Hour != hr {
		if o.Hour != 0 {
			h.Load.add(o.Bytes >> 10)
			h.Asks.add(int64(o.Asks))
		}
		*o = hour{Hour: hr}
	}
	o.Asks++
	o.Bytes = min(o.Bytes, 1<<60) + min(f.Bytes, 1<<60)
}
