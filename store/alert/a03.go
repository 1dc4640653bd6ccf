package alert

import "time"

// A machine does not move to and fro between networks in this time.
const travel = time.Minute

// a03: one key is in one place. It is in two when one guard meets it in a network, then in
// another, and then in the first again, a minute or less apart: who moves does not come back
// at once. Guards are not compared with each other, since one may see a machine's own address
// and the other a translator's; nor is IPv4 with IPv6, which machines use side by side.
//
// A machine that has used both networks for a day has two legs. And networks between which
// three machines alternate are the two sides of one translator: it is no alert then.
func a03() *rule {
	return &rule{
		Rule: Rule{
			ID: "A03", Class: Invariant, Severity: Critical, Title: "one key in two places",
			Do:    "Compare the two networks with where the machine stands. Unless it has two legs, its key was copied: enrol it anew with --replace, and look for the copy.",
			Hold:  5 * time.Minute,
			Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Used}, ends: []Kind{Revoked, Suspended, Issued},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			net, at, gen := networkOf(f.Address), momentOf(f.At), generation(f.Serial)
			if h == nil || net == 0 || gen == 0 {
				return
			}
			there := h.between(net, short(f.log), short(gen), at)
			if there == nil {
				return
			}
			nat := mix(uint64(min(net, there.Net)), uint64(max(net, there.Net)))
			e.join(nat, f.id, at, learning)
			if h.settled(net, at) && h.settled(there.Net, at) {
				e.stats.Suppressed++
				return
			}
			n := of(f,
				say("the key of certificate %s was used from %s at %s", f.Serial, there.Net, there.At),
				say("and less than a minute before and after from %s, at %s", net, at),
				Ref{f.Origin, there.Seq})
			n.Crowd = nat
			e.find(r, n)
		},
	}
}

// between returns the use from another network that lies between two from this one; nil:
// there is none.
func (h *habit) between(net network, guard, key uint32, at moment) *turn {
	for i := range h.Turns {
		b := &h.Turns[i]
		if b.Guard != guard || b.Key != key || b.Net == 0 || b.Net == net || b.Net.is6() != net.is6() || b.At > at || at.since(b.At) >= travel {
			continue
		}
		for _, a := range h.Turns {
			if a.Guard == guard && a.Key == key && a.Net == net && a.At <= b.At && b.At.since(a.At) < travel {
				return b
			}
		}
	}
	return nil
}

// settled reports whether a machine has been in a network for a day.
func (h *habit) settled(n network, at moment) bool {
	l := h.at(n)
	return l != nil && at.since(l.Since) >= residence
}

// turn puts down a use: many in a row from one place are one.
func (h *habit) turn(f *Fact, at moment) {
	net, guard, key := networkOf(f.Address), short(f.log), short(generation(f.Serial))
	if net == 0 || key == 0 {
		return
	}
	oldest, last := &h.Turns[0], (*turn)(nil)
	for i := range h.Turns {
		t := &h.Turns[i]
		if t.At < oldest.At {
			oldest = t
		}
		if t.Guard == guard && (last == nil || t.At >= last.At) && t.Net != 0 {
			last = t
		}
	}
	switch {
	case last != nil && last.Net == net && last.Key == key:
		if at >= last.At {
			last.At, last.Seq = at, f.Seq
		}
	case at >= oldest.At:
		*oldest = turn{net, f.Seq, at, guard, key}
	}
}

// short is half a hash: enough to tell a few of one machine apart.
func short(h uint64) uint32 { return uint32(h ^ h>>32) }

// lastTurn returns the newest use.
func (h *habit) lastTurn() turn {
	last := h.Turns[0]
	for _, t := range h.Turns[1:] {
		if t.At > last.At {
			last = t
		}
	}
	return last
}
