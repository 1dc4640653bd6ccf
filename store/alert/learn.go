package alert

import "time"

// learn takes a fact into what is known, after the rules have judged it.
func (e *Engine) learn(f *Fact, h *habit) {
	at := momentOf(f.At)
	switch f.Kind {
	case Revoked, Suspended:
		for _, serial := range f.Serials {
			high, low := serialOf(serial)
			*e.revoked.put(mix(high, low)) = fallen{At: at, Seq: f.Seq}
		}
	case Issued:
		if h != nil {
			e.learnIssued(f, h, at)
		}
	case Used:
		if h != nil {
			e.learnUsed(f, h, at)
		}
	case Census:
		if g := e.groups.put(e.hash("failing", f.Other)); g != nil {
			g.Size = f.Count
		}
	case Window:
		if f.Ends.After(e.now) && (len(e.windows) < maxWindows || f.Site == "") {
			e.windows[f.Site] = f.Ends
		} else {
			delete(e.windows, f.Site)
		}
	}
}

func (e *Engine) learnIssued(f *Fact, h *habit, at moment) {
	if f.Renewal && !e.repeats(f, h) {
		h.Period, h.Count = h.renewals(f)
	}
	if gen := generation(f.Serial); gen > h.Newest.Gen {
		h.Newest = certificate{Gen: gen, Start: at, Ends: momentOf(f.Ends), From: e.hash("address", f.Address.String()), Cited: f.citation()}
	}
	e.live(f, h, at)
}

func (e *Engine) learnUsed(f *Fact, h *habit, at moment) {
	h.Uses.add(e.use(f))
	h.turn(f, at)
	h.load(f, at)
	if gen := generation(f.Serial); gen > h.Shown.Gen || gen == h.Shown.Gen && begun(f) < h.Shown.Start {
		h.Shown = certificate{Gen: gen, Start: begun(f), From: e.hash("address", f.Address.String()), Cited: f.citation()}
	}
	e.live(f, h, at)
}

// live puts down that a machine was heard of, where, and after how long.
func (e *Engine) live(f *Fact, h *habit, at moment) {
	if gap := at.since(h.Last); h.Last != 0 && gap > time.Minute {
		h.Gaps.add(int64(gap / time.Second))
	}
	n := networkOf(f.Address)
	if at >= h.Last {
		h.Last, h.LastCited = at, f.citation()
		if n != 0 {
			h.LastNet = n
		}
	}
	h.dwell(n, at)
	if f.Site != "" && n != 0 {
		e.join(e.place(f.Site, n), f.id, at, 30*24*time.Hour)
	}
}

// begun returns when the handshake was that a use rests on, as far as is known.
func begun(f *Fact) moment {
	if f.Since.IsZero() || f.Since.After(f.At) {
		return momentOf(f.At)
	}
	return momentOf(f.Since)
}

// planned reports whether there is work at a site, so that what is odd was expected.
func (e *Engine) planned(site string) bool {
	return e.windows[site].After(e.now) || e.windows[""].After(e.now)
}
