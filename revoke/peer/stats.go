package peer

import (
	"sync/atomic"
	"time"
)

// Stats counts what happened since [Open].
type Stats struct {
	Refused, Cut         int64 // connections
	Lists, BadLists      int64 // taken; not to be had, or not taken
	Silences             int64 // times that a stream broke or was silent
	Asked, AskedFailed   int64 // OCSP questions; those without an answer to rely on
	Staples              int64 // times that the other end's staple was gone by
	Reports, ReportFails int64
	Connections          int // open now
}

// An Issuer is what is known of one issuer's list.
type Issuer struct {
	Name string // common name
	ID   string // key id in hex, as in the list's URL
	Root bool   // a trust anchor, whose list is about intermediates
	Own  bool   // in the chain of this machine's own certificate

	Number                 int64     // in force; 0: there is no list
	Since                  time.Time // when Number came into force here
	ThisUpdate, NextUpdate time.Time // of that list
	URL                    string    // base of the address that is listened to
	Err                    error     // why OCSP decides; nil: the list does
}

type counters struct {
	refused, cut, lists, badLists, silences, asked, askedFailed, staples, reports, reportFails atomic.Int64
}

// count counts what there is an event for.
func (p *Peer) count(e Event) {
	switch e.Kind {
	case Refused:
		p.counts.refused.Add(1)
	case Cut:
		p.counts.cut.Add(1)
	case Enforced:
		p.counts.lists.Add(1)
	case BadList:
		p.counts.badLists.Add(1)
	case Silent:
		p.counts.silences.Add(1)
	}
}

// Stats returns the counts of now.
func (p *Peer) Stats() Stats {
	c := &p.counts
	return Stats{
		Refused: c.refused.Load(), Cut: c.cut.Load(), Lists: c.lists.Load(), BadLists: c.badLists.Load(), Silences: c.silences.Load(),
		Asked: c.asked.Load(), AskedFailed: c.askedFailed.Load(), Staples: c.staples.Load(),
		Reports: c.reports.Load(), ReportFails: c.reportFails.Load(), Connections: p.live.len(),
	}
}

// Issuers returns what is known of each issuer, at most 16, those of this machine's
// own chain first.
func (p *Peer) Issuers() []Issuer {
	var own, others []Issuer
	now, chain := p.conf.Now(), p.own.Load()
	for _, k := range p.held() {
		i := Issuer{
			Name: k.name(), ID: k.id, Root: k.root, Own: k == chain.issuing || k == chain.root,
			URL: k.base(), Err: k.fresh(now),
		}
		if f := k.force.Load(); f != nil {
			i.Number, i.Since = f.number, f.since
			i.ThisUpdate, i.NextUpdate = f.state.ThisUpdate(), f.state.NextUpdate()
		}
		if i.Own {
			own = append(own, i)
		} else {
			others = append(others, i)
		}
	}
	return append(own, others...)
}
