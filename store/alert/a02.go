package alert

import "time"

// overlap is how long a key may be used beside its successor.
const overlap = 10 * time.Minute

// a02: one machine, one line of keys. A certificate that was renewed twice, or whose key is
// used when its successor's is in use already, has two holders.
//
// A lost reply is no clone: a machine that asks again within the overlap, from where it asked
// before, while nobody uses what was issued, is one that the answer did not reach. Nor is
// a key that goes on beside its successor from the same address: a program there has not
// loaded the new one; a thief on that address has the machine. The connection counts from its
// handshake: what began before the successor may go on.
func a02() *rule {
	return &rule{
		Rule: Rule{
			ID: "A02", Class: Invariant, Severity: Critical, Title: "a key has two holders", Propose: Suspend,
			Do:    "Ask the owner whether the machine was copied or set back to a snapshot. If so, enrol it anew: betonica token create --replace. If not, revoke the identity.",
			Quiet: 7 * 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Forked, Used}, ends: []Kind{Revoked, Suspended, Issued},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			switch {
			case f.Kind == Forked:
				forked(e, r, f, h)
			case h != nil:
				outlived(e, r, f, h)
			}
		},
	}
}

func forked(e *Engine, r *rule, f *Fact, h *habit) {
	gen := generation(f.Serial)
	if h == nil {
		h = &habit{}
	}
	child := h.Newest
	known := gen != 0 && child.Gen == gen
	if f.Code == CodeOtherKey && known && momentOf(f.At).since(child.Start) <= overlap &&
		child.From == e.hash("address", f.Address.String()) && h.Shown.Gen < gen {
		e.stats.Suppressed++
		return
	}
	first := say("the certificate was renewed before, as %s", f.Serial)
	var earlier []Ref
	if known {
		first = say("the certificate was renewed as %s at %s", f.Serial, child.Start)
		earlier = []Ref{e.cite(child.Cited)}
	}
	e.find(r, of(f, first, say("it was %s, from %s at %s", f.Why, f.Address, stamp(f.At)), earlier...))
}

// outlived is for a key that begins a connection when its successor has been in use.
func outlived(e *Engine, r *rule, f *Fact, h *habit) {
	gen, now := generation(f.Serial), h.Shown
	if f.Since.IsZero() || gen == 0 || gen >= now.Gen || begun(f).since(now.Start) <= overlap {
		return
	}
	if now.From == e.hash("address", f.Address.String()) {
		e.stats.Suppressed++
		return
	}
	e.find(r, of(f,
		say("the successor of certificate %s has been in use since %s", f.Serial, now.Start),
		say("certificate %s itself began a connection from %s at %s", f.Serial, f.Address, begun(f)),
		e.cite(now.Cited)))
}
