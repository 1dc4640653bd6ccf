package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"sync"

	"github.com/betonica/betonica/cmd/internal/record"
)

// serveHTTP serves one request, in the order that the package's doc gives.
func (g *Gate) serveHTTP(w http.ResponseWriter, r *http.Request) {
	p := r.Context().Value(peerKey{}).(*peer)
	p.enter()
	defer p.leave()
	p.link.Touch()
	a := g.newAccess(p, r)
	number, upgrade, bad := int64(0), false, error(nil)
	if r.ProtoMajor < 2 {
		if number, upgrade, bad = p.wire.begin(); upgrade {
			w.Header().Set("Connection", "close") // what follows is not read as HTTP
		}
	}
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
		if p.link.Keep(context.WithoutCancel(r.Context()), a.rec) != nil {
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
	g.forward(w, r, a, passing{path: path, number: number, upgrade: upgrade, by: by})
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
	a.whole(record.FromTarget)
	if a.keep(r.Context()) != nil {
		f = unkept
	}
	f.write(w, r)
}

// A passing is what is known of a request that goes through.
type passing struct {
	path    string
	number  int64 // on its connection, of HTTP/1
	upgrade bool
	by      *tls.Certificate // who signs it; nil: nobody
}

// forward passes a request to the target and its answer back, and keeps the record
// before the answer's end.
func (g *Gate) forward(w http.ResponseWriter, r *http.Request, a *access, what passing) {
	defer func() {
		if a.rec.Status != http.StatusSwitchingProtocols {
			a.fail("caller", errGone) // unless it is kept, writing to the caller is what failed
		}
		a.keep(r.Context())
	}()
	if r.ProtoMajor < 2 {
		// An answer may begin before the request has ended; net/http would throw the rest
		// of that away. It always can: both are its own.
		http.NewResponseController(w).EnableFullDuplex()
	}
	proxy := httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { a.rewrite(p, what) },
		Transport:      g.roundTripper(a.peer, what.by, g.two(r)),
		FlushInterval:  0, // at once where the length is unknown; otherwise see responseBody
		BufferPool:     buffers{},
		ErrorLog:       discard,
		ModifyResponse: func(answer *http.Response) error { return a.answered(w, r, answer, what) },
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, err error) { a.failed(w, r, err, what) },
	}
	proxy.ServeHTTP(w, r)
}

// two reports whether a request goes on in HTTP/2.
func (g *Gate) two(r *http.Request) bool {
	p := r.Context().Value(peerKey{}).(*peer)
	if p.link.Route.Side == record.Server {
		return g.conf.HTTP2
	}
	return r.ProtoMajor == 2 && p.link.Route.DialHTTP2 != nil
}

// rewrite makes the request that the target gets.
func (a *access) rewrite(p *httputil.ProxyRequest, what passing) {
	out := p.Out
	out.URL.Scheme, out.URL.Host = "http", "target" // whoever dials knows where it is
	out.URL.Path, out.URL.RawPath, out.URL.RawQuery = what.path, "", p.In.URL.RawQuery
	if a.gate.conf.Host != "" {
		out.Host = a.gate.conf.Host
	}
	out.Trailer = p.In.Trailer.Clone()
	stripTrailer(out.Trailer)
	if out.Body != nil {
		out.Body = &requestBody{out.Body, a, p.In, out, p.In.ContentLength}
	}
	if a.rec.Side == record.Server {
		out.Header.Set(headerIdentity, a.rec.Caller)
		out.Header.Set(headerCert, a.peer.cert)
		if a.peer.chain != "" {
			out.Header.Set(headerChain, a.peer.chain)
		}
		return
	}
	out.Header.Set(headerRecord, a.rec.Number)
	if what.by != nil {
		if err := a.sign(out, what.by); err != nil {
			a.fail("signing", err) // it goes out without: the other guard refuses it
		}
	}
	p.Out = out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if t, ok := info.Conn.(*target); ok {
				a.over(t)
			}
		},
	}))
}

// over says which connection a request goes over; again, if that had ended meanwhile.
func (a *access) over(t *target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.target = t
	a.bind(t.bond)
}

// answered takes the target's answer. Without a body its header is all, and waits for the
// record.
func (a *access) answered(w http.ResponseWriter, r *http.Request, answer *http.Response, what passing) error {
	a.mu.Lock()
	a.rec.Status = answer.StatusCode
	a.mu.Unlock()
	stripAnswer(answer.Header)
	if answer.StatusCode == http.StatusSwitchingProtocols {
		rwc, ok := answer.Body.(io.ReadWriteCloser)
		if !ok || !what.upgrade {
			return errUpgrade
		}
		w.Header().Del("Connection")
		a.peer.wire.granted.Store(true)
		answer.Body = &upgraded{rwc, a}
		a.whole(record.ToTarget)
		a.whole(record.FromTarget)
		return nil
	}
	stripTrailer(answer.Trailer)
	if r.Method == http.MethodHead || answer.Body == nil || answer.Body == http.NoBody || answer.ContentLength == 0 {
		a.whole(record.FromTarget)
		if err := a.keep(r.Context()); err != nil {
			return errUnkept
		}
		return nil
	}
	answer.Body = &responseBody{ReadCloser: answer.Body, ctx: r.Context(), access: a, answer: answer, flush: http.NewResponseController(w).Flush, left: answer.ContentLength}
	return nil
}

var (
	errUnkept  = errors.New("no record could be kept")
	errUpgrade = errors.New("switched protocols unasked")
)

// failed answers where the target did not.
func (a *access) failed(w http.ResponseWriter, r *http.Request, err error, what passing) {
	if errors.Is(err, errUnkept) {
		unkept.write(w, r)
		return
	}
	a.mu.Lock()
	tampered := a.tampered
	a.mu.Unlock()
	if tampered {
		a.refuse(w, r, unsigned, "body is not the one that was signed")
		return
	}
	if what.number > 0 {
		if bad := a.peer.wire.refused(what.number); bad != nil {
			a.refuse(w, r, malformed(bad), bad.Error()) // its body was
			return
		}
	}
	f := unreachable
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		f = unresponsive
	}
	if r.Context().Err() != nil {
		a.fail("caller", errGone)
	}
	a.fail("target", err)
	a.mu.Lock()
	a.rec.Status = f.status
	a.mu.Unlock()
	a.answer(w, r, f)
}

// discard is for what ReverseProxy would say: the record says it.
var discard = log.New(io.Discard, "", 0)

// buffers lends what bodies are copied through.
type buffers struct{}

var pool = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

func (buffers) Get() []byte  { return *pool.Get().(*[]byte) }
func (buffers) Put(b []byte) { pool.Put(&b) }
