package revoke

import (
	"time"

	"github.com/betonica/betonica/revoke/stream"
)

const (
	baseAge     = time.Hour // after which the deltas get a newer base
	baseEntries = 1000      // in a delta, at which they do, too
)

// A fullList is what became of signing one, or of looking for one.
type fullList struct {
	doc       *Document // nil: there is none to be served
	shards    shards
	kept      int // entries
	took      time.Duration
	published time.Time // thisUpdate of the newest that anybody got; zero: not known
	err       error     // with a doc: it could not be kept
}

// useFull serves a full list and its shards, unless a newer one is served.
func (p *Publisher) useFull(list fullList) {
	if old := p.full.Load(); old != nil && old.Number >= list.doc.Number {
		return
	}
	p.full.Store(list.doc)
	p.shards.Store(&list.shards)
	p.numbers.see(list.doc.Number)
	p.published = list.doc.ThisUpdate
	p.count, p.took, p.fullAt = list.kept, list.took, time.Now()
	p.changed()
}

// useDelta serves a delta and pushes it, unless a newer one is served.
func (p *Publisher) useDelta(doc *Document, entries int) {
	if old := p.delta.Load(); old != nil && old.Number >= doc.Number {
		return
	}
	if doc.Base > p.base {
		p.base, p.baseSince = doc.Base, time.Now()
	}
	p.delta.Store(doc)
	p.numbers.see(doc.Number)
	p.entries, p.deltaAt, p.unsure = entries, time.Now(), false
	p.news.tell(doc.Number)
	p.changed()
	p.stream.Publish(stream.NewDelta(doc.Number, doc.Base, doc.DER, p.maxEvent))
}

// changed tells whoever wants to know, once there is a list of each kind.
func (p *Publisher) changed() {
	if p.Changed != nil && p.delta.Load() != nil {
		p.Changed()
	}
}

// baseDue returns when deltas are to build on the full list that is served, and false
// if they need not: they do when they have grown, or their base is old. Peers fetch the
// new one then: where others serve it, too, they have some time to learn of it.
func (p *Publisher) baseDue() (time.Time, bool) {
	old := len(p.delta.Load().DER) > p.maxEvent || p.entries >= baseEntries || time.Since(p.baseSince) >= baseAge
	if !old || p.full.Load().Number <= p.base {
		return time.Time{}, false
	}
	if p.others == nil {
		return p.fullAt, true
	}
	return p.fullAt.Add(baseAfter), true
}
