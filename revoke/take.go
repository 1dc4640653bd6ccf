package revoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// errNotOurs is why a list on record is not served: whoever owns the database may have
// written it there, or renumbered it.
var errNotOurs = errors.New("it is not the list that was signed last")

// errAhead is why a list is not served that peers would refuse.
var errAhead = errors.New("it is of the future, by the clock of whoever signed it")

// A taking reads lists that are on record, at one time.
type taking struct {
	*Publisher
	now    time.Time // by the clock of the database, where there are others: ours may be wrong
	newest int64     // a CRL number that was given out
}

func (p *Publisher) taking(ctx context.Context) (t *taking, err error) {
	t = &taking{Publisher: p}
	if p.others != nil {
		t.now, err = p.time(ctx)
	} else {
		t.now, err = p.Clock.Now()
	}
	return t, err
}

// newer returns the list of a kind that is on record, verified, if it has a number
// above that of held, which may be nil, and nil otherwise; and of a delta how many
// entries it has. One of somebody else's making is refused, and nil.
func (t *taking) newer(ctx context.Context, kind string, held *Document) (doc *Document, entries int, err error) {
	row, err := t.Store.LatestCRL(ctx, t.Authority.IssuerID(), kind)
	if errors.Is(err, store.ErrNotFound) || err == nil && held != nil && row.Number <= held.Number {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if row.Number > t.newest { // asked after the list was read: others go on signing
		if t.newest, err = t.Store.CRLNumber(ctx); err != nil {
			return nil, 0, err
		}
	}
	list, err := t.open(row)
	if err != nil {
		t.refuse(row, err)
		return nil, 0, nil
	}
	if list.ThisUpdate().After(t.now.Add(crl.MaxAhead)) { // whoever signed it has a wrong clock
		if t.failed.set("ahead", errAhead) {
			t.Log.WarnContext(ctx, "a CRL on record is not used", "kind", kind, "number", row.Number, "error", errAhead)
		}
		return nil, 0, nil
	}
	return newDocument(row.DER, row.Number, list.Base(), list.ThisUpdate(), list.NextUpdate()), list.Entries().Len(), nil
}

// open verifies what is on record. What a list says of itself counts, and what the row
// says that holds it must be the same: with a number too high deltas would leave
// revocations out.
func (t *taking) open(row store.CRL) (list *crl.List, err error) {
	delta := row.Kind == kindDelta
	if delta {
		list, err = crl.Open(row.DER, t.Authority.Certificate())
	} else {
		list, err = crl.OpenHead(row.DER, t.Authority.Certificate())
	}
	if err == nil && (list.IsDelta() != delta || list.Number() != row.Number || row.Number > t.newest || !t.inScope(list, row.Kind)) {
		err = errNotOurs
	}
	return list, err
}

// inScope says whether a list is about the certificates that one of its kind is about.
func (p *Publisher) inScope(list *crl.List, kind string) bool {
	scope := list.Scope()
	if kind == kindFull || kind == kindDelta {
		return scope == nil
	}
	return scope != nil && !scope.UserOnly && !scope.CAOnly && slices.Equal(scope.URLs, []string{p.Authority.ListURL(kind + ".crl")})
}

// refuse says that what is on record is not served. Where others publish, too, a new
// list is to take its place.
func (p *Publisher) refuse(row store.CRL, why error) {
	p.Log.Warn("a CRL on record is not used", "kind", row.Kind, "number", row.Number, "error", why)
	if p.others == nil {
		return
	}
	p.others.refuse(row)
	if row.Kind == kindDelta {
		p.unsure = true
		p.news.wait()
	} else {
		p.resign.Store(true)
	}
}

// takeFull returns the full list that is on record, and shards, if it is newer than
// ours. Of one that is over it returns only that it was published.
func (p *Publisher) takeFull(ctx context.Context) fullList {
	t, err := p.taking(ctx)
	if err != nil {
		return fullList{err: err}
	}
	doc, _, err := t.newer(ctx, kindFull, p.full.Load())
	if err != nil || doc == nil {
		return fullList{err: err}
	}
	list := fullList{published: doc.ThisUpdate}
	if t.now.Before(doc.NextUpdate) {
		if list.shards, list.err = t.shards(ctx); list.err == nil {
			list.doc, list.kept = doc, len(doc.DER)/entryBytes
		}
	}
	return list
}

// shards returns the shards of every n that are on record: each the newer one of ours
// and what is there. An n of which one is missing is left out, and is to be signed. Who
// signs alone keeps none on record.
func (t *taking) shards(ctx context.Context) (shards, error) {
	all := shards{}
	if t.others == nil {
		return all, nil
	}
	t.resign.Store(false) // what is put on record from now on is for the next time
	known, err := t.Store.Shardings(ctx, t.Authority.IssuerID())
	if err != nil {
		return nil, err
	}
	for _, s := range known {
		lists := make([]*Document, s.N)
		if held := t.Publisher.shards.Load(); held != nil {
			copy(lists, (*held)[s.N])
		}
		for i := range lists {
			doc, _, err := t.newer(ctx, shardKind(s.N, i), lists[i])
			if err != nil {
				return nil, err
			}
			if doc != nil && t.now.Before(doc.NextUpdate) {
				lists[i] = doc
			}
		}
		if slices.Contains(lists, nil) {
			t.resign.Store(true)
		} else {
			all[s.N] = lists
		}
	}
	return all, nil
}

// takeDelta serves the delta that is on record, if it is newer than ours. It reports
// false if that builds on a full list which is not served here, and fullToCome; where
// none is to come such a delta is refused.
func (p *Publisher) takeDelta(ctx context.Context, fullToCome bool) (done bool, err error) {
	t, err := p.taking(ctx)
	if err != nil {
		return false, err
	}
	doc, entries, err := t.newer(ctx, kindDelta, p.delta.Load())
	switch {
	case err != nil:
		return false, err
	case doc == nil || !t.now.Before(doc.NextUpdate):
		return true, nil
	case doc.Base <= p.full.Load().Number:
		p.useDelta(doc, entries)
		return true, nil
	case fullToCome:
		return false, nil
	}
	p.refuse(p.record(kindDelta, doc), fmt.Errorf("it builds on %d, which is not on record", doc.Base))
	return true, nil
}
