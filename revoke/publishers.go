package revoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Publishers serve the lists of several issuers, and the root's. Their methods may
// be called concurrently, [Publishers.Run] once.
type Publishers struct {
	root *Anchor
	id   string // of the root

	mu      sync.Mutex
	all     []*Publisher         // that sign
	resting map[string]*Document // by issuer: the last full list of those that do not
	changed chan struct{}        // holds a token when all is another

	chainMu sync.Mutex
	chain   chain
}

// NewPublishers returns the publishers of the issuers of a root.
func NewPublishers(root *Anchor, all ...*Publisher) *Publishers {
	return &Publishers{
		root: root, id: hex.EncodeToString(root.certificate.SubjectKeyId),
		all: all, resting: map[string]*Document{}, changed: make(chan struct{}, 1),
	}
}

// Set replaces the publishers. Those that are new begin to sign; those that are not
// there any more sign no more, and end their streams, and of resting the last full
// list is served, by issuer.
func (p *Publishers) Set(all []*Publisher, resting map[string]*Document) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all, p.resting = slices.Clone(all), resting
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// All returns the publishers of those who sign.
func (p *Publishers) All() []*Publisher {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

// Of returns the publisher of an issuer that signs, or nil.
func (p *Publishers) Of(issuer string) *Publisher {
	for _, one := range p.All() {
		if one.Authority.IssuerID() == issuer {
			return one
		}
	}
	return nil
}

// Run has each of them sign when lists are due, until ctx ends; it returns nil.
func (p *Publishers) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	defer p.EndStreams()
	running := map[*Publisher]context.CancelFunc{}
	for {
		all := p.All()
		for one, stop := range running {
			if !slices.Contains(all, one) {
				stop()
				delete(running, one)
			}
		}
		for _, one := range all {
			if running[one] == nil {
				ctx, stop := context.WithCancel(ctx)
				running[one] = stop
				group.Go(func() { one.Run(ctx) }) // it returns nil
			}
		}
		select {
		case <-ctx.Done():
			for _, stop := range running {
				stop()
			}
			return nil
		case <-p.changed:
		}
	}
}

// EndStreams ends all streams and polls.
func (p *Publishers) EndStreams() {
	for _, one := range p.All() {
		one.EndStreams()
	}
}

// Subscribers returns how many peers are on a stream or in a poll.
func (p *Publishers) Subscribers() (n int) {
	for _, one := range p.All() {
		n += one.Subscribers()
	}
	return n
}

// Health returns why lists are not being renewed, or nil.
func (p *Publishers) Health() error {
	var why error
	for _, one := range p.All() {
		why = errors.Join(why, one.Health())
	}
	return errors.Join(why, p.root.Health(time.Now()))
}

// Root returns the root as the publishers have it.
func (p *Publishers) Root() *Anchor { return p.root }

// Signed returns the newest number that was signed for each issuer, by its key
// identifier in hex.
func (p *Publishers) Signed() map[string]int64 {
	signed := map[string]int64{}
	for _, one := range p.All() {
		signed[one.Authority.IssuerID()] = max(one.Delta().Number, one.Full().Number)
	}
	return signed
}

// Routes are the handlers, by pattern of http.ServeMux: the lists of an issuer under
// its key identifier in hex, and all that are in force in one file.
func (p *Publishers) Routes() map[string]http.HandlerFunc {
	of := func(serve func(*Publisher, http.ResponseWriter, *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if one := p.Of(r.PathValue("issuer")); one != nil {
				serve(one, w, r)
				return
			}
			http.NotFound(w, r)
		}
	}
	return map[string]http.HandlerFunc{
		"/crl/{issuer}/full.crl":    p.serveFull,
		"/crl/{issuer}/delta.crl":   of((*Publisher).ServeDelta),
		"/crl/{issuer}/{n}/{shard}": of((*Publisher).ServeShard),
		"/crl/{issuer}/stream":      of((*Publisher).ServeStream),
		"/crl/{issuer}/poll":        of((*Publisher).ServePoll),
		"/chain.crl.pem":            p.serveChain,
	}
}

// serveFull answers with the full list of an issuer, also of one that rests, or with
// the root's.
func (p *Publishers) serveFull(w http.ResponseWriter, r *http.Request) {
	issuer := r.PathValue("issuer")
	if one := p.Of(issuer); one != nil {
		one.ServeFull(w, r)
		return
	}
	if issuer == p.id {
		p.root.CRL().serve(w, r, time.Hour, time.Now())
		return
	}
	p.mu.Lock()
	last := p.resting[issuer]
	p.mu.Unlock()
	if last == nil {
		http.NotFound(w, r)
		return
	}
	last.serve(w, r, time.Hour, time.Now())
}

// serveChain answers with all full lists that are being signed and the root's, in
// PEM: what nginx, HAProxy and PostgreSQL want in one file, since they refuse
// everyone below an issuer without a list.
func (p *Publishers) serveChain(w http.ResponseWriter, r *http.Request) {
	var lists []*Document
	for _, one := range p.All() {
		lists = append(lists, one.Full())
	}
	c := p.chainOf(append(lists, p.root.CRL()))
	serve(w, r, c.text, "application/x-pem-file", c.etag, c.modified, min(fullAge, time.Until(c.until)))
}

// A chain is the PEM of several lists.
type chain struct {
	lists           []*Document
	text            []byte
	etag            []string
	modified, until time.Time // newest thisUpdate, first nextUpdate
}

// chainOf returns the chain of these lists, which is made when they are others than
// before.
func (p *Publishers) chainOf(lists []*Document) chain {
	p.chainMu.Lock()
	defer p.chainMu.Unlock()
	if slices.Equal(p.chain.lists, lists) {
		return p.chain
	}
	c := chain{lists: lists}
	for i, list := range lists {
		c.text = append(c.text, list.pem()...)
		if list.ThisUpdate.After(c.modified) {
			c.modified = list.ThisUpdate
		}
		if i == 0 || list.NextUpdate.Before(c.until) {
			c.until = list.NextUpdate
		}
	}
	sum := sha256.Sum256(c.text)
	c.etag = []string{`"` + hex.EncodeToString(sum[:]) + `"`}
	p.chain = c
	return c
}
