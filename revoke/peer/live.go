package peer

import (
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/betonica/betonica/revoke/crl"
)

var errClosed = errors.New("the Peer was closed")

// A table holds the open connections by the serial numbers of all certificates of
// the other end's chain, so that a revoked intermediate cuts what it issued.
type table struct {
	mu    sync.Mutex
	conns map[*entry]struct{}
	by    map[key]map[*entry]struct{}
}

// A key names a certificate.
type key struct {
	issuer string // raw subject key id
	serial crl.Serial
}

// An entry is one connection and who is on its other end.
type entry struct {
	chain  []*x509.Certificate
	staple []byte // that it showed; nil: none
	id     string
	close  func(why error) error
}

func keysOf(chain []*x509.Certificate) []key {
	var keys []key
	for i, cert := range chain[:max(0, len(chain)-1)] {
		if serial, err := crl.SerialOf(cert.SerialNumber.Bytes()); err == nil {
			keys = append(keys, key{string(chain[i+1].SubjectKeyId), serial})
		}
	}
	return keys
}

// add enters a connection. It is in the table until remove.
func (t *table) add(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns == nil {
		t.conns, t.by = map[*entry]struct{}{}, map[key]map[*entry]struct{}{}
	}
	t.conns[e] = struct{}{}
	for _, k := range keysOf(e.chain) {
		if t.by[k] == nil {
			t.by[k] = map[*entry]struct{}{}
		}
		t.by[k][e] = struct{}{}
	}
}

func (t *table) remove(e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, e)
	for _, k := range keysOf(e.chain) {
		delete(t.by[k], e)
		if len(t.by[k]) == 0 {
			delete(t.by, k)
		}
	}
}

// named returns the connections to certificates of this issuer that are revoked.
// It goes over who is connected, not over the list: that is the shorter.
func (t *table) named(issuer []byte, revoked func(crl.Serial) bool) []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*entry
	for k, entries := range t.by {
		if k.issuer == string(issuer) && revoked(k.serial) {
			all = slices.AppendSeq(all, maps.Keys(entries))
		}
	}
	return all
}

func (t *table) all() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.conns))
}

func (t *table) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.conns)
}

func (t *table) cutAll() {
	for _, e := range t.all() {
		e.close(errClosed)
	}
}

// cutNamed closes the open connections to certificates of this issuer that are
// revoked.
func (k *keeper) cutNamed(revoked func(crl.Serial) bool) {
	for _, e := range k.peer.live.named(k.issuer.SubjectKeyId, revoked) {
		k.peer.cut(e, ErrRevoked)
	}
}

// cut closes a connection, and says so once: it leaves the table now, whenever
// its owner lets go of it.
func (p *Peer) cut(e *entry, why error) {
	p.live.remove(e)
	e.close(why)
	p.event(Event{Kind: Cut, Number: p.Number(), ID: e.id, Serial: serialText(e.chain[0]), Err: why})
}

// A conn is a connection that is in the table from its handshake to its Close.
type conn struct {
	net.Conn
	table *table
	mu    sync.Mutex
	entry *entry
	ended bool
	why   error // why the Peer closed it; nil: it did not

	eof atomic.Bool
}

// Read notes that the other end's direction has ended.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF {
		c.eof.Store(true)
	}
	return n, err
}

// EOF reports whether the other end's direction was read to its end, below TLS. Package
// crypto/tls takes that for the end of what is said at the border of a record, though
// anybody on the way can make it; after a goodbye (close_notify; RFC 8446, Section 6.1)
// it reads no more. So where it says io.EOF, and EOF is true, there was no goodbye.
func (c *conn) EOF() bool { return c.eof.Load() }

// met enters the other end; twice after a renegotiation, which TLS 1.3 has not.
func (c *conn) met(chain []*x509.Certificate, staple []byte) {
	e := &entry{chain: chain, staple: staple, id: idText(chain), close: c.cut}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	if c.entry != nil {
		c.table.remove(c.entry)
	}
	c.entry = e
	c.table.add(e)
}

// NetConn returns what is wrapped.
func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) Close() error { return c.cut(nil) }

// cut closes the connection; whoever has closed it first says why.
func (c *conn) cut(why error) error {
	c.mu.Lock()
	if !c.ended {
		c.why = why
	}
	if c.entry != nil {
		c.table.remove(c.entry)
		c.entry = nil
	}
	c.ended = true
	c.mu.Unlock()
	return c.Conn.Close()
}

// WhyCut returns why a Peer closed a connection that came from [Peer.Listener] or
// [Peer.Dial], or a wrapper around such a one that has a NetConn method: [ErrRevoked],
// [ErrExpired], or what else judging it said. It returns nil if no Peer did. Once the
// connection reports that it is closed, the answer does not change any more.
func WhyCut(c net.Conn) error {
	for {
		switch inner := c.(type) {
		case *conn:
			inner.mu.Lock()
			defer inner.mu.Unlock()
			return inner.why
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return nil
		}
	}
}
