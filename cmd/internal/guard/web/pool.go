package web

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of the connections that wait for the next request.
const (
	maxRested = 64
	restFor   = 90 * time.Second
)

// A pool holds connections to a target of HTTP/1.1 that have no request, the one that had
// one last at the end. For concurrent use.
type pool struct {
	dial dialer

	mu     sync.Mutex
	rested []*origin
	sweep  *time.Timer // nil: none is there to be swept
	closed bool
}

// get returns a connection: one that had a request before, unless fresh is wanted, or a
// new one.
func (p *pool) get(ctx context.Context, fresh bool) (*origin, error) {
	for !fresh {
		o := p.take()
		if o == nil {
			break
		}
		if o.quiet() {
			o.used = true
			return o, nil
		}
		o.Close()
	}
	t, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	return newOrigin(bound(t)), nil
}

func (p *pool) take() *origin {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.rested)
	if n == 0 {
		return nil
	}
	o := p.rested[n-1]
	p.rested[n-1] = nil
	p.rested = p.rested[:n-1]
	return o
}

// put takes a connection back whose request and answer are over.
func (p *pool) put(o *origin) {
	o.in.Rest()
	o.rested = time.Now()
	p.mu.Lock()
	full := p.closed || len(p.rested) == maxRested
	if !full {
		p.rested = append(p.rested, o)
		if p.sweep == nil {
			p.sweep = time.AfterFunc(restFor, p.old)
		}
	}
	p.mu.Unlock()
	if full {
		o.Close()
	}
}

// old closes what has waited for too long.
func (p *pool) old() {
	p.mu.Lock()
	n := 0
	for n < len(p.rested) && time.Since(p.rested[n].rested) >= restFor {
		n++
	}
	old := p.rested[:n:n]
	p.rested = slices.Clone(p.rested[n:])
	if p.sweep = nil; len(p.rested) > 0 {
		p.sweep = time.AfterFunc(restFor-time.Since(p.rested[0].rested), p.old)
	}
	p.mu.Unlock()
	for _, o := range old {
		o.Close()
	}
}

// close closes all that wait, and those that are put back from now on.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	all := p.rested
	p.rested = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
	p.mu.Unlock()
	for _, o := range all {
		o.Close()
	}
}
