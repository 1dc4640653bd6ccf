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
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// A passing is what is known of a request that goes through.
type passing struct {
	path    string
	upgrade bool
	expects bool             // the caller waits for a 100 (Continue), of HTTP/1
	by      *tls.Certificate // who signs it; nil: nobody
}

// forward passes a request to the target and its answer back, and keeps the record
// before the answer's end.
func (g *Gate) forward(w http.ResponseWriter, r *http.Request, a *access, what passing) {
	defer func() {
		if a.rec.Status != http.StatusSwitchingProtocols && !a.over() {
			a.fail("caller", errGone) // writing to the caller is what failed
		}
		a.keep()
	}()
	if !g.two(r) {
		g.relay(w, r, a, what)
		return
	}
	ctx, cut := context.WithCancel(r.Context())
	defer cut()
	defer a.lasting(cut).Stop()
	if c, ok := w.(*answer); ok && c.body.done {
		c.session.watch.later()
	}
	r = r.WithContext(ctx)
	body := newStopper(w)
	defer body.leave()
	proxy := httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { a.rewrite(p, what, body) },
		Transport:      g.transport(a.peer, what.by),
		FlushInterval:  0, // at once where the length is unknown; otherwise see answerBody
		BufferPool:     buffers{},
		ErrorLog:       discard,
		ModifyResponse: func(answer *http.Response) error { return a.answered(w, r, answer) },
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, err error) { a.failed(w, r, err, what) },
	}
	proxy.ServeHTTP(w, r)
}

// lasting opens the record of what is still under way after a while. If that cannot be
// kept it calls cut.
func (a *access) lasting(cut func()) *time.Timer {
	return time.AfterFunc(a.gate.openAfter, func() { a.late(cut) })
}

// late is for an access that is under way for long.
func (a *access) late(cut func()) {
	if err := a.open(); err != nil {
		a.fail("guard", err)
		cut()
	}
}

// two reports whether a request goes on in HTTP/2.
func (g *Gate) two(r *http.Request) bool {
	p := r.Context().Value(peerKey{}).(*peer)
	if p.link.Route.Side == record.Server {
		return g.conf.HTTP2
	}
	return r.ProtoMajor == 2 && p.link.Route.DialHTTP2 != nil
}

// rewrite makes the request that a target of HTTP/2 gets.
func (a *access) rewrite(p *httputil.ProxyRequest, what passing, body *stopper) {
	out := p.Out
	out.URL.Scheme, out.URL.Host = "http", "target" // whoever dials knows where it is
	out.URL.Path, out.URL.RawPath, out.URL.RawQuery = what.path, "", p.In.URL.RawQuery
	if a.gate.conf.Host != "" {
		out.Host = a.gate.conf.Host
	}
	out.Trailer = p.In.Trailer.Clone()
	stripTrailer(out.Trailer)
	if out.Body != nil {
		out.Body = &requestBody{ReadCloser: out.Body, access: a, in: p.In, trailer: out.Trailer, left: p.In.ContentLength, stopper: body}
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
		if err := a.sign(out, out.Host, out.URL.RequestURI(), what.by); err != nil {
			a.fail("signing", err) // it goes out without: the other guard refuses it
		}
	}
	p.Out = out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if t, ok := info.Conn.(*target); ok {
				a.goesBy(t)
			}
		},
	}))
}

// goesBy says which connection a request goes by; again, if that had ended meanwhile.
func (a *access) goesBy(t *target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.target = t
	if t.ID != (allow.ID{}) {
		a.rec.Target = t.ID.String()
	}
	a.bind(t.bond)
}

// answered takes the answer of a target of HTTP/2. Without a body its header is all, and
// waits for the record.
func (a *access) answered(w http.ResponseWriter, r *http.Request, answer *http.Response) error {
	a.mu.Lock()
	a.rec.Status = answer.StatusCode
	a.mu.Unlock()
	if answer.StatusCode == http.StatusSwitchingProtocols { // there is none in HTTP/2
		return errUpgrade
	}
	stripAnswer(answer.Header)
	stripTrailer(answer.Trailer)
	if r.Method == http.MethodHead || answer.Body == nil || answer.Body == http.NoBody || answer.ContentLength == 0 {
		a.whole(record.FromTarget)
		if err := a.keep(); err != nil {
			return errUnkept
		}
		return nil
	}
	n := answer.ContentLength
	answer.Body = proxied{&answerBody{from: answer.Body, ctx: r.Context(), access: a, length: n, left: n}, answer, http.NewResponseController(w).Flush}
	return nil
}

var (
	errUnkept  = errors.New("no record could be kept")
	errUpgrade = errors.New("switched to a protocol that was not asked for")
)

// failed answers where the target did not.
func (a *access) failed(w http.ResponseWriter, r *http.Request, err error, what passing) {
	if errors.Is(err, errUnkept) || a.unkept() != nil {
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
	if c, ok := w.(*answer); ok && c.body.malformed() != nil {
		bad := c.body.malformed()
		a.refuse(w, r, malformed(bad), bad.Error())
		return
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

func (buffers) Get() []byte  { return *copies.Get().(*[]byte) }
func (buffers) Put(b []byte) { copies.Put(&b) }
