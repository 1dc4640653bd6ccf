package web

import (
	"crypto/tls"
	"net/http"

	"github.com/betonica/betonica/cmd/internal/record"
)

// serveHTTP serves one request, in the order that the package's doc gives.
func (g *Gate) serveHTTP(w http.ResponseWriter, r *http.Request) {
	p := r.Context().Value(peerKey{}).(*peer)
	p.enter()
	defer p.leave()
	p.link.Touch()
	upgrade, expects, bad, memory := false, false, error(nil), (*access)(nil)
	if c, ok := w.(*answer); ok {
		upgrade, expects, bad = c.upgrade, c.body.expects, c.bad
		if c.spare != nil {
			memory = &c.spare.access
		}
	}
	a := g.newAccess(memory, p, r)
	path, err := clean(r)
	switch {
	case bad != nil:
		err = bad
	case err == nil:
		err = a.decide(r, path)
	case isMethod(r.Method):
		a.rec.Operation = r.Method
	}
	if err != nil {
		a.refuse(w, r, malformed(err), err.Error())
		return
	}
	if p.link.Ready(r.Context()) != nil {
		unkept.write(w, r)
		return
	}
	if a.rec.Side == record.Client {
		if why := g.foreign(p.link.Conn.LocalAddr(), r); why != "" {
			a.refuse(w, r, refusal{status: http.StatusForbidden, grpc: 7, detail: why}, why)
			return
		}
	}
	if a.rec.Outcome == record.Refused {
		a.refuse(w, r, forbidden, "no rule allows it")
		return
	}
	if g.conf.Signed && a.rec.Side == record.Server {
		if err := a.verify(r); err != nil {
			a.refuse(w, r, unsigned, err.Error())
			return
		}
	}
	if r.ProtoMajor < 2 && !upgrade {
		r.Header.Del("Upgrade")
	}
	if upgrade {
		a.rec.Kind, a.rec.Operation = record.Connection, "open"
		if a.open() != nil {
			unkept.write(w, r)
			return
		}
		a.rec.Operation = "close"
	}
	var by *tls.Certificate
	if g.conf.Sign != nil && a.rec.Side == record.Client {
		if by = g.conf.Sign(); r.ContentLength != 0 {
			release, err := g.hold(r)
			if err != nil {
				a.refuse(w, r, malformed(err), err.Error())
				return
			}
			defer release()
			if r.ContentLength == 0 {
				a.whole(record.ToTarget) // it was empty
			}
		}
	}
	g.forward(w, r, a, passing{path: path, upgrade: upgrade, expects: expects, by: by})
}

// refuse keeps the record of a request that goes nowhere, and then says so.
func (a *access) refuse(w http.ResponseWriter, r *http.Request, f refusal, reason string) {
	a.mu.Lock()
	a.rec.Outcome, a.rec.Reason, a.rec.Status = record.Refused, reason, f.status
	a.cause = nil
	a.mu.Unlock()
	a.answer(w, r, f)
}

// answer keeps the record, and then answers what the guard itself has to say.
func (a *access) answer(w http.ResponseWriter, r *http.Request, f refusal) {
	a.got(f.body(r))
	if a.rec.Side == record.Server { // beside a client nobody else knows of this answer
		a.whole(record.FromTarget)
	}
	if a.keep() != nil {
		f = unkept
	}
	f.write(w, r)
}
