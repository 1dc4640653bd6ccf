package web

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/sign"
	"github.com/betonica/betonica/cmd/internal/record"
)

// An access is one request on its way, and the record of it in the making.
type access struct {
	gate *Gate
	peer *peer

	mu                sync.Mutex
	rec               record.Record
	target            *target         // that it went to, in client mode
	digest            *sign.Body      // what a signed body must be; nil: it is not signed
	tampered          bool            // and it was not
	bound             bool            // it is known over which connection it goes
	request, response record.Digester // of the payload; not begun: none came yet
	in, out           int64
	inAll, outAll     bool  // the payload passed whole
	cause             error // what went wrong first

	opening sync.Once
	once    sync.Once
	opened  error // what Keep said of what was under way
	kept    error // and at the end
	ended   bool  // that was asked
}

// newAccess begins the access of a request, in the memory of a, which is empty, or in its own.
func (g *Gate) newAccess(a *access, p *peer, r *http.Request) *access {
	if a == nil {
		a = new(access)
	}
	a.gate, a.peer, a.rec = g, p, p.link.Record(record.HTTP, record.Request)
	a.inAll = r.ContentLength == 0
	if a.rec.Side == record.Server {
		a.rec.Number = number(r.Header[headerRecord])
		a.bind(p.bond)
		return a
	}
	a.rec.Number = newNumber() // the bond is of the connection that it will go over
	return a
}

// bind says of which TLS connection the record is.
func (a *access) bind(b record.Bond) {
	key := b.Key(a.rec.Number)
	a.rec.Link, a.rec.Key = b.Link, key
	a.bound = true
	a.request.Drop()
	a.response.Drop()
}

// number takes the caller's number of the request, or makes one up where it has none, or
// none of the right form.
func number(sent []string) string {
	if len(sent) == 1 && len(sent[0]) == 22 {
		if b, err := base64.RawURLEncoding.Strict().DecodeString(sent[0]); err == nil && len(b) == 16 {
			return sent[0]
		}
	}
	return newNumber()
}

func newNumber() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// whole notes that the payload of one direction has passed to its end.
func (a *access) whole(d record.Direction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inAll = a.inAll || d == record.ToTarget
	a.outAll = a.outAll || d == record.FromTarget
}

// sent takes payload that goes to the target.
func (a *access) sent(p []byte) {
	a.peer.link.Touch()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.in += int64(len(p))
	a.digested(&a.request, record.ToTarget, p)
}

// got takes payload that came from the target.
func (a *access) got(p []byte) {
	a.peer.link.Touch()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out += int64(len(p))
	a.digested(&a.response, record.FromTarget, p)
}

// digested adds payload to the digest of one direction, which begins with the first of it.
func (a *access) digested(g *record.Digester, d record.Direction, p []byte) {
	if !a.bound || len(p) == 0 {
		return
	}
	if !g.Begun() {
		g.Begin(a.rec.Key, d)
	}
	g.Write(p)
}

// sum is the digest of what went one way.
func (a *access) sum(g *record.Digester, d record.Direction) record.Digest {
	if !g.Begun() {
		return a.rec.Key.Empty(d)
	}
	return g.Digest()
}

// clear makes it empty for another request.
func (a *access) clear() {
	request, response := a.request, a.response
	request.Drop()
	response.Drop()
	*a = access{request: request, response: response}
}

// fail notes what went wrong, if it is the first that did.
func (a *access) fail(side string, err error) {
	if err == nil {
		return
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err // without the addresses, which the record has
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cause == nil {
		a.cause = &gate.Fault{Side: side, Err: err}
	}
}

// open keeps a record of the access as it is under way, unless that was done, or it is
// over. Its error means that no payload may pass.
func (a *access) open() error {
	a.opening.Do(func() {
		a.mu.Lock()
		r := a.rec
		if !a.bound {
			r.Link, r.Number = "", ""
		}
		a.mu.Unlock()
		err := a.peer.link.Keep(a.peer.keeps, r)
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.opened = err; err != nil {
			a.opened = errUnkept
		}
	})
	return a.unkept()
}

// unkept says whether the record of what is under way could not be kept.
func (a *access) unkept() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened
}

// keep keeps the record, with what is known by now, unless that was done. Its error means
// that the response must not end.
func (a *access) keep() error {
	a.once.Do(func() {
		a.opening.Do(func() {}) // what is being kept comes first, and nothing after this
		a.kept = a.peer.link.Keep(a.peer.keeps, a.complete())
	})
	return a.kept
}

// over reports whether the record was made, with what was known by then.
func (a *access) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended
}

// complete fills in how it ended.
func (a *access) complete() record.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	r := &a.rec
	r.End = a.peer.link.Route.Now()
	r.In, r.Out = a.in, a.out
	if !a.bound { // it never reached the other guard
		r.Link, r.Number = "", ""
	}
	// The digest of a part would be compared with that of another part.
	if a.inAll && a.bound {
		r.Request = a.sum(&a.request, record.ToTarget)
	}
	if a.outAll && a.bound {
		r.Response = a.sum(&a.response, record.FromTarget)
	}
	if a.cause == nil && r.Kind != record.Connection {
		return *r
	}
	a.peer.link.Ended(r, a.cause)
	if r.Outcome == record.Cut {
		a.peer.told.Store(true)
	}
	if a.target != nil && a.target.Why != nil && r.Outcome == record.Failed {
		if reason, cut := a.target.Why(); cut {
			r.Outcome, r.Reason = record.Cut, "target: "+reason
		}
	}
	return *r
}
