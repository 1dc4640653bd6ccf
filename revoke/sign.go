package revoke

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// signFull signs and keeps the full list of all revocations up to a number that
// [numbers.take] gave: none of them can come later. One that cannot be kept, for
// want of disk space, is served all the same: it tells of revocations. But where others
// sign, too, none is served that is not on record.
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
	list := fullList{doc: doc, shards: spread, kept: set.Len(), took: time.Since(begin), published: doc.ThisUpdate}
	if p.others != nil {
		return p.shareFull(ctx, list)
	}
	if err := p.Store.SaveCRL(ctx, p.record(kindFull, doc)); err != nil {
		list.err = fmt.Errorf("keeping a full CRL for the next start: %w", err)
	}
	return list
}

// signDelta signs everything that was revoked since the base, and pushes it.
func (p *Publisher) signDelta(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	begin := time.Now()
	p.triedAt = begin
	defer func() { p.deltaTook = time.Since(begin) }()
	doc, entries, err := p.makeDelta(ctx)
	if err != nil {
		return err
	}
	if p.others != nil {
		if newest, err := p.share(ctx, kindDelta, doc, nil); err != nil || !newest {
			p.others.doubt()
			return err
		}
	}
	p.useDelta(doc, entries)
	p.deltaAt = begin
	return nil
}

// makeDelta signs a delta, and returns how many entries it has.
func (p *Publisher) makeDelta(ctx context.Context) (doc *Document, entries int, err error) {
	now, err := p.Clock.Now()
	if err != nil {
		return nil, 0, err
	}
	base := p.base
	if p.delta.Load() != nil {
		if at, due := p.baseDue(); due && !time.Now().Before(at) {
			base = p.full.Load().Number
		}
	}
	reserved := p.numbers.reserve(ctx) // before the read
	since, err := p.Store.RevokedSince(ctx, p.Authority.IssuerID(), base)
	if err != nil {
		return nil, 0, err
	}
	set, err := crl.Collect(len(since), func(yield func(crl.Entry, error) bool) {
		for _, r := range since {
			if !yield(entry(r, now)) {
				return
			}
		}
	})
	if err != nil {
		return nil, 0, err
	}
	revoked := int64(0)
	if len(since) > 0 {
		revoked = since[len(since)-1].Number
		p.news.hearOf(revoked, false)
	}
	number, err := p.numbers.of(revoked, reserved)
	if err != nil {
		return nil, 0, err
	}
	t := p.template(number, now)
	t.Base = base
	doc, err = p.seal(t, set)
	return doc, set.Len(), err
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
