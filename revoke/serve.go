package revoke

import (
	"net/http"
	"sync"
	"time"
)

// ServeFull answers with the full list.
func (p *Publisher) ServeFull(w http.ResponseWriter, r *http.Request) {
	p.full.Load().serve(w, r, fullAge, time.Now())
}

// ServeDelta answers with the delta. It may be kept for one heartbeat.
func (p *Publisher) ServeDelta(w http.ResponseWriter, r *http.Request) {
	p.delta.Load().serve(w, r, p.Heartbeat, time.Now())
}

// ServeRoot answers with the root's list.
func (p *Publisher) ServeRoot(w http.ResponseWriter, r *http.Request) {
	p.rootCRL.serve(w, r, time.Hour, time.Now())
}

// ServeChain answers with both full lists in PEM: what nginx, HAProxy and
// PostgreSQL want in one file, since they refuse everyone without the root's.
func (p *Publisher) ServeChain(w http.ResponseWriter, r *http.Request) {
	full := p.full.Load()
	c := p.chain.Load()
	if c == nil || c.full != full {
		c = &chain{full: full}
		p.chain.Store(c)
	}
	etag := []string{`"chain-` + full.etag[0][1:]}
	serve(w, r, c.pem(p.rootCRL), "application/x-pem-file", etag, full.ThisUpdate, min(fullAge, time.Until(full.NextUpdate)))
}

// A chain is the PEM of both lists, made when it is first asked for.
type chain struct {
	full *Document
	once sync.Once
	text []byte
}

func (c *chain) pem(root *Document) []byte {
	c.once.Do(func() { c.text = append(c.full.pem(), root.pem()...) })
	return c.text
}
