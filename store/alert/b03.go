package alert

import "time"

// mostRenewals is how often a machine may renew in one life of a certificate.
const mostRenewals = 3

// b03: machines renew between a half and two thirds of a certificate's life. Who renews in
// its first third, or again and again, has lost its state, or is two. And who still uses a
// certificate in its last tenth will soon be cut off: its agent is dead. One that is switched
// off uses nothing, and is F05's matter.
//
// What comes within the overlap from the same address is a reply that was lost; and if three
// machines of a role are early on one day, it is they who were told to.
func b03() *rule {
	return &rule{
		Rule: Rule{
			ID: "B03", Class: Baseline, Severity: Low, Title: "a renewal out of time",
			Do:   "Early: see whether the machine keeps its state over a restart. Missed: see whether its agent runs, and reaches the CA.",
			Hold: 30 * time.Minute, Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Issued, Used}, ends: []Kind{Revoked, Suspended},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			if f.Kind == Issued && (len(e.held) > 0 || e.book.subjects[f.Identity] > 0) {
				e.settle(r, missedKey(f.Identity), say("it has a new certificate (%s)", f.ref()))
			}
			switch {
			case h == nil || h.Newest.Gen == 0 || h.Newest.Ends <= h.Newest.Start:
			case f.Kind == Used:
				missed(e, r, f, h)
			case f.Renewal:
				early(e, r, f, h)
			}
		},
	}
}

func early(e *Engine, r *rule, f *Fact, h *habit) {
	at, was := momentOf(f.At), h.Newest
	life, passed := was.Ends.since(was.Start), at.since(was.Start)
	if e.repeats(f, h) {
		e.stats.Suppressed++
		return
	}
	_, count := h.renewals(f)
	n := of(f, "", say("it was renewed at %s, after %s", stamp(f.At), spell(passed)), e.cite(was.Cited))
	switch {
	case count > mostRenewals:
		n.Severity = Medium
		n.Facts[0] = say("a certificate of %s lives for %s", f.Identity, spell(life))
		n.Facts[1] = say("in that time it was renewed %d times, last at %s", count, stamp(f.At))
	case passed < life/3:
		n.Facts[0] = say("the certificate of %s was issued at %s for %s", f.Identity, was.Start, spell(life))
		n.Crowd = mix(e.hash("early", f.Role()), uint64(at/86400))
		e.join(n.Crowd, f.id, at, residence)
	default:
		return
	}
	n.Key = f.Identity + " early"
	e.find(r, n)
}

// repeats reports whether a renewal follows another so soon, from the same address, that its
// answer got lost.
func (e *Engine) repeats(f *Fact, h *habit) bool {
	return momentOf(f.At).since(h.Newest.Start) <= overlap && h.Newest.From == e.hash("address", f.Address.String())
}

// renewals returns since when, and how many, with that of f.
func (h *habit) renewals(f *Fact) (moment, uint16) {
	at := momentOf(f.At)
	if h.Period == 0 || at < h.Period || at.since(h.Period) >= h.Newest.Ends.since(h.Newest.Start) {
		return at, 1
	}
	return h.Period, min(h.Count, 1<<15) + 1
}

func missed(e *Engine, r *rule, f *Fact, h *habit) {
	c := h.Newest
	life := c.Ends.since(c.Start)
	if generation(f.Serial) != c.Gen || momentOf(f.At).since(c.Start) <= life/10*9 {
		return
	}
	n := of(f,
		say("the certificate of %s lives from %s to %s", f.Identity, c.Start, c.Ends),
		say("it is in use at %s, in its last tenth, and there is no other", stamp(f.At)),
		e.cite(c.Cited))
	n.Severity, n.Key = Medium, missedKey(f.Identity)
	e.find(r, n)
}

func missedKey(identity string) string { return identity + " missed" }
