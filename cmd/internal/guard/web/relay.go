package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A relay is one request on its way to a target of HTTP/1.1, and its answer. Whoever
// serves the request reads the answer, too; a body that is not there yet goes to the
// target in a goroutine of its own, since the answer may begin before it ends.
type relay struct {
	*access
	ctx    context.Context // of r
	w      http.ResponseWriter
	r      *http.Request
	what   passing
	host   string // that it is asked by
	uri    string
	te     bool // the caller takes trailers
	pool   *pool
	origin *origin
	open   *atomic.Pointer[origin] // while it may be used: who takes it out may abort it
	body   *requestBody
	up     *upload // of body; nil: it went with the head, or there is none
	answer h1.Answer
	rest   http.Header // trailers that the answer announces
}

// relay passes a request to the target and its answer back.
func (g *Gate) relay(w http.ResponseWriter, r *http.Request, a *access, what passing) {
	x := new(relay)
	c, one := w.(*answer)
	if one && c.spare != nil {
		x = &c.spare.relay
	}
	*x = relay{access: a, ctx: r.Context(), w: w, r: r, what: what, pool: g.pool(a.peer, what.by)}
	if one {
		x.open = &c.session.origin // which it aborts when it ends
		c.session.overtime.begin(x)
		defer c.session.overtime.end()
	} else {
		x.open = new(atomic.Pointer[origin])
		defer context.AfterFunc(x.ctx, x.abort)()
		defer x.lasting(x.abort).Stop()
	}
	whole := false
	defer func() { x.release(whole) }()
	err := x.ask()
	if err == nil {
		err = x.first()
	}
	if err != nil {
		x.withdraw()
		x.failed(err)
		return
	}
	if x.answer.Status == http.StatusSwitchingProtocols {
		x.tunnel()
		return
	}
	if whole, err = x.pass(); err != nil {
		panic(http.ErrAbortHandler) // it has begun: all that can be said is that it does not end
	}
}

// ask sends the request, over a connection that is open still, and waits for the first
// byte of an answer.
func (x *relay) ask() error {
	x.prepare()
	for fresh := false; ; fresh = true {
		o, err := x.pool.get(x.ctx, fresh)
		if err != nil {
			return err
		}
		x.origin = o
		if x.open.Store(o); x.ctx.Err() != nil || x.unkept() != nil { // and whoever aborts has looked before
			x.abort()
		}
		if x.rec.Side == record.Client {
			x.goesBy(o.target)
		}
		n, err := x.send()
		if err == nil {
			err = o.in.Fill()
		}
		if err == nil || !x.again(n, err) {
			return err
		}
		x.abort()
		x.origin = nil
	}
}

// abort ends the connection to the target, unless it is not this request's any more.
func (x *relay) abort() {
	if o := x.open.Swap(nil); o != nil {
		o.abort()
	}
}

// again reports whether a request may be sent once more after n bytes of it, and nothing
// of an answer: the connection had ended before, as those of applications do after a
// while, and either nothing was sent, or it may come twice (RFC 9110, Section 9.2.2).
func (x *relay) again(n int, err error) bool {
	if !x.origin.used || x.body != nil || x.ctx.Err() != nil || !isEnd(err) {
		return false
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return true
	}
	return n == 0
}

// send writes the head of the request, with its body where that is there already, and
// returns how many bytes were written. Otherwise the body follows by itself.
func (x *relay) send() (n int, err error) {
	block := blocks.Get().(*[]byte)
	defer blocks.Put(block)
	b := x.appendHead((*block)[:0])
	if x.body != nil {
		if here, ok := x.r.Body.(*callerBody); ok && here.here() {
			if b, err = x.appendBody(b); err != nil {
				return 0, err
			}
		} else {
			x.up = newUpload(x)
		}
	}
	n, err = x.origin.Write(b)
	if x.up != nil {
		x.up.start(err)
	} else if c, ok := x.w.(*answer); ok {
		c.session.watch.later()
	}
	return n, err
}

// appendBody appends a body that is there.
func (x *relay) appendBody(b []byte) ([]byte, error) {
	for {
		if cap(b)-len(b) < 512 {
			b = append(make([]byte, 0, 2*cap(b)), b...)
		}
		n, err := x.body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// maxInformal bounds the informational answers before the one that counts.
const maxInformal = 16

var errInformal = errors.New("more than 16 informational answers")

// first reads heads until the one that is the answer. The others go on, but 100
// (Continue): that says to the guard that it may send the body.
func (x *relay) first() (err error) {
	h := x.w.Header()
	for range maxInformal {
		if x.answer, err = x.head(h); err != nil {
			return err
		}
		status := x.answer.Status
		if status == http.StatusSwitchingProtocols && !x.switches(h) {
			return errUpgrade
		}
		x.rest = announced(h)
		removeHop(h)
		stripAnswer(h)
		if status >= 200 || status == http.StatusSwitchingProtocols {
			return nil
		}
		if x.up != nil && status == http.StatusContinue {
			x.up.proceed()
		}
		if status != http.StatusContinue {
			x.w.WriteHeader(status)
		}
		clear(h)
	}
	return errInformal
}

const maxAnswerHead = 256 << 10

func (x *relay) head(h http.Header) (h1.Answer, error) {
	for {
		b, err := x.origin.in.Head(maxAnswerHead)
		if b != nil {
			return x.parse(b, h)
		}
		if err == nil {
			err = x.origin.in.Fill()
		}
		if err != nil {
			return h1.Answer{}, ended(err)
		}
	}
}

func (x *relay) parse(b []byte, h http.Header) (h1.Answer, error) {
	if c, ok := x.w.(*answer); ok && c.spare != nil {
		return c.spare.answered.ParseAnswer(b, h)
	}
	return h1.ParseAnswer(b, h)
}

// release gives the connection back if it can have another request, and ends it otherwise.
func (x *relay) release(whole bool) {
	if x.up != nil && !x.up.end() {
		whole = false
	}
	o := x.origin
	switch {
	case o == nil || !x.open.CompareAndSwap(o, nil): // aborted
	case whole && x.answer.Keep && o.in.Buffered() == 0:
		x.pool.put(o)
	default:
		o.abort()
	}
}

// withdraw ends the exchange with the target before the caller is answered otherwise.
func (x *relay) withdraw() {
	x.abort()
	if x.up != nil {
		x.up.end()
	}
}

// failed answers where the target did not.
func (x *relay) failed(err error) {
	clear(x.w.Header())
	x.access.failed(x.w, x.r, ended(err), x.what)
}

// copies lends what bodies are copied through.
var copies = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// pass passes the answer on, and reports whether all of it was read.
func (x *relay) pass() (whole bool, err error) {
	h, a := x.w.Header(), x.answer
	x.mu.Lock()
	x.rec.Status = a.Status
	x.mu.Unlock()
	if a.Chunked {
		delete(h, "Content-Length")
	}
	if a.Bodiless(x.r.Method) || a.Length == 0 {
		x.access.whole(record.FromTarget)
		if x.keep() != nil {
			clear(h)
			unkept.write(x.w, x.r)
			return false, nil
		}
		x.w.WriteHeader(a.Status)
		return a.Status != http.StatusNoContent || a.Length <= 0 && !a.Chunked, nil
	}
	for name := range x.rest {
		h.Add("Trailer", name)
	}
	x.w.WriteHeader(a.Status)
	if in := x.origin.in; a.Length > 0 && int64(in.Buffered()) >= a.Length {
		return true, x.passAtOnce(in.Peek()[:a.Length])
	}
	var body h1.Body
	var chunks *h1.Chunks
	switch {
	case a.Chunked:
		chunks = h1.Chunked(x.origin.in)
		body = chunks
	case a.Length > 0:
		body = h1.Sized(x.origin.in, a.Length)
	default:
		body = h1.Endless(x.origin.in)
	}
	in := &answerBody{from: body, access: x.access, ctx: x.r.Context(), length: a.Length, left: a.Length}
	block := copies.Get().(*[]byte)
	defer copies.Put(block)
	flush := x.w.(http.Flusher)
	begun := false
	for {
		if x.origin.in.Buffered() == 0 && (begun || a.Length < 0) { // what there is must not wait for what comes
			flush.Flush()
		}
		n, err := in.Read(*block)
		if n > 0 {
			begun = true
			if _, err := x.w.Write((*block)[:n]); err != nil {
				return false, err
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
	}
	if chunks != nil {
		stripTrailer(chunks.Trailer)
		for name, values := range chunks.Trailer {
			h[http.TrailerPrefix+name] = values
		}
	}
	return a.Chunked || a.Length > 0, nil
}

// passAtOnce passes a body on that is there with its head.
func (x *relay) passAtOnce(body []byte) error {
	x.got(body)
	x.access.whole(record.FromTarget)
	if err := x.keep(); err != nil {
		return err
	}
	x.origin.in.Skip(len(body))
	_, err := x.w.Write(body)
	return err
}

// lingers is how long an upload may take to find out that it is over.
const lingers = 50 * time.Millisecond
