package alert

import "time"

// b01: a machine stands somewhere. Once it has been known for a week, its first use from
// another network is worth a look: it, or its key, was carried away.
//
// A network that three machines of its site use is the site's: DHCP has moved them, or the
// site was renumbered, or it is another ward. Where no site is known, machines that were in
// one network before count as one. So a finding is held for half an hour.
func b01() *rule {
	return &rule{
		Rule: Rule{
			ID: "B01", Class: Baseline, Severity: Medium, Title: "first use from a new network",
			Do:   "Ask the owner whether the machine was moved. If not, its key is elsewhere: suspend the identity and enrol the machine anew.",
			Hold: 30 * time.Minute, Quiet: 24 * time.Hour, Gather: 5,
		},
		kinds: []Kind{Used, Issued}, ends: []Kind{Revoked, Suspended},
		look: func(e *Engine, r *rule, f *Fact, h *habit) {
			net, at := networkOf(f.Address), momentOf(f.At)
			if h == nil || net == 0 || h.at(net) != nil || h.home() == 0 {
				return
			}
			key := e.place(f.Site, net)
			if f.Site == "" {
				key = mix(uint64(h.home()), uint64(net))
			}
			e.join(key, f.id, at, 30*24*time.Hour)
			if h.age(at) < learning {
				return
			}
			n := of(f,
				say("%s was used from %s, last at %s", f.Identity, h.LastNet, h.Last),
				say("it was used from %s at %s, for the first time", net, stamp(f.At)),
				e.cite(h.LastCited))
			n.Key, n.Crowd = f.Identity+" in "+net.String(), key
			e.find(r, n)
		},
	}
}

// place names a network of a site.
func (e *Engine) place(site string, net network) uint64 {
	return mix(e.hash("site", site), uint64(net))
}
