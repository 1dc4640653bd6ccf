package revoke

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/stream"
	"github.com/betonica/betonica/store"
)

// A fullList is what became of signing one.
type fullList struct {
	doc    *Document
	shards shards
	kept   int // entries
	took   time.Duration
	err    error // with a doc: it could not be kept
}

// signFull signs and keeps the full list of all revocations up to a number that
// [numbers.take] gave: none of them can come later. One that cannot be kept, for
// want of disk space, is served all the same: it tells of revocations.
//
// A certificate leaves the list after one that was published past its notAfter (RFC
// 5280, Section 3.3): what was published counts, not what the clock says. Who does
// not know what was, leaves nothing out.
func (p *Publisher) signFull(ctx context.Context, number int64) fullList {
	begin := time.Now()
	now, err := p.Clock.Now()
	if err != nil {
		return fullList{err: err}
	}
	all := p.Store.Revocations(ctx, p.Authority.IssuerID(), number, p.published)
	set, err := crl.Collect(p.count+p.count/64, entries(all, now))
	if err != nil {
		return fullList{err: err}
	}
	t := p.template(number, now)
	t.Freshest = p.Authority.ListURL("delta.crl")
	doc, err := p.seal(t, set)
	if err != nil {
		return fullList{err: err}
	}
	spread, err := p.signShards(ctx, t, set)
	if err != nil {
		return fullList{err: err}
	}
	err = p.Store.SaveCRL(ctx, store.CRL{
		Issuer: p.Authority.IssuerID(), Kind: "full", Number: number,
		ThisUpdate: doc.ThisUpdate, NextUpdate: doc.NextUpdate, DER: doc.DER,
	})
	if err != nil {
		err = fmt.Errorf("keeping a full CRL for the next start: %w", err)
	}
	return fullList{doc: doc, shards: spread, kept: set.Len(), took: time.Since(begin), err: err}
}

// useFull serves a full list and its shards, and builds deltas on it if their base is old.
func (p *Publisher) useFull(list fullList) {
	p.full.Store(list.doc)
	p.shards.Store(&list.shards)
	p.published = list.doc.ThisUpdate
	p.count, p.took, p.fullAt = list.kept, list.took, time.Now()
	p.changed()
	oversize := p.delta.Load() != nil && len(p.delta.Load().DER) > p.maxEvent
	if p.base == nil || oversize || p.entries >= baseEntries || time.Since(p.baseSince) >= baseAge {
		p.base, p.baseSince = list.doc, time.Now()
		p.deltaAt = time.Time{} // a small delta at once
	}
}

// signDelta signs everything that was revoked since the base, and pushes it.
func (p *Publisher) signDelta(ctx context.Context) error {
	p.deltaAt = time.Now()
	now, err := p.Clock.Now()
	if err != nil {
		return err
	}
	// Before the read: what is revoked after it goes past the whole block.
	reserved := p.numbers.reserve(ctx)
	since, err := p.Store.RevokedSince(ctx, p.Authority.IssuerID(), p.base.Number)
	if err != nil {
		return err
	}
	set, err := crl.Collect(len(since), func(yield func(crl.Entry, error) bool) {
		for _, r := range since {
			if !yield(entry(r, now)) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	number := int64(0)
	if len(since) > 0 {
		p.revoked = max(p.revoked, since[len(since)-1].Number)
		if p.numbers.seen(p.revoked) {
			number = p.revoked
		}
	}
	if number == 0 {
		if reserved != nil {
			return reserved
		}
		if number, err = p.numbers.take(ctx); err != nil {
			return err
		}
	}
	t := p.template(number, now)
	t.Base = p.base.Number
	doc, err := p.seal(t, set)
	if err != nil {
		return err
	}
	p.entries = set.Len()
	p.delta.Store(doc)
	p.changed()
	p.stream.Publish(stream.NewDelta(doc.Number, doc.Base, doc.DER, p.maxEvent))
	return nil
}

// changed tells whoever wants to know, once there is a list of each kind.
func (p *Publisher) changed() {
	if p.Changed != nil && p.delta.Load() != nil {
		p.Changed()
	}
}

func (p *Publisher) template(number int64, now time.Time) crl.Template {
	this := now.Truncate(time.Second)
	return crl.Template{Number: number, ThisUpdate: this, NextUpdate: this.Add(p.Lifetime.Truncate(time.Second))}
}

// seal signs a list. Before that it is linted, and after it what came out is read
// back: a list that is not what it should be reaches nobody, and the last good one
// goes on being served.
func (p *Publisher) seal(t crl.Template, set crl.Set) (*Document, error) {
	if err := p.linter.Check(t, set); err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(make([]byte, 0, 2048+set.Octets()))
	if err := crl.Encode(out, p.Authority.Certificate(), p.issuer, t, set); err != nil {
		return nil, err
	}
	if err := crl.Verify(out.Bytes(), p.Authority.Certificate(), t, set); err != nil {
		return nil, fmt.Errorf("reading back what was signed: %w", err)
	}
	return newDocument(out.Bytes(), t.Number, t.Base, t.ThisUpdate, t.NextUpdate), nil
}

// entries turns what the store says into entries of a list that is made now.
func entries(all iter.Seq2[store.Revocation, error], now time.Time) iter.Seq2[crl.Entry, error] {
	return func(yield func(crl.Entry, error) bool) {
		for r, err := range all {
			if err != nil {
				yield(crl.Entry{}, fmt.Errorf("reading what was revoked: %w", err))
				return
			}
			if !yield(entry(r, now)) {
				return
			}
		}
	}
}

// entry is revoked by now: where clocks differ, or one was set back, a list would
// else tell of what is still to come, and linters refuse it.
func entry(r store.Revocation, now time.Time) (crl.Entry, error) {
	serial, err := crl.SerialOf(r.Serial[:])
	at := r.At
	if at.After(now) {
		at = now
	}
	return crl.Entry{Serial: serial, RevokedAt: at, Reason: crl.Reason(r.Reason)}, err
}
