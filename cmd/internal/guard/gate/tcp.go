package gate

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// TCP passes bytes both ways, whatever they mean. It keeps two records of a connection:
// one before the first byte goes to the target, and one at its end, which has digests if
// both directions came to their own end. An end of one direction is passed on, and the
// other goes on. An end that TLS did not announce is none, unless [Route.LaxEnd], or the
// other direction had ended before: both sides are reset then, since nobody knows what
// was still to come.
type TCP struct{}

// connection is the number of the only access on a connection.
const connection = "0"

// Serve implements [Gate].
func (TCP) Serve(ctx context.Context, l *Link) {
	kept := context.WithoutCancel(ctx)
	r := l.Record(record.TCP, record.Connection)
	r.Operation, r.Number = "open", connection
	r.Rule, r.Outcome = l.Decide(&allow.Request{Kind: allow.TCP})
	if r.Outcome == record.Refused {
		r.End, r.Reason = l.Route.Now(), "no rule allows it"
		l.Keep(kept, r)
		return
	}
	if err := l.Ready(ctx); err != nil {
		return
	}
	t, err := l.Dial(ctx)
	if err != nil {
		l.Ended(&r, fault("target", err))
		l.Keep(kept, r)
		return
	}
	defer t.Close()
	bond := l.Bond(t)
	r.Link, r.Key = bond.Link, bond.Key(connection)
	if err := l.Keep(kept, r); err != nil {
		return
	}
	s := newStream(l.Conn, t, r.Key)
	s.lax = l.Route.LaxEnd
	stop := context.AfterFunc(ctx, s.abort)
	if err = t.Begin(); err == nil {
		err = s.run()
	} else {
		err = fault("target", err)
	}
	stop()
	r.Operation = "close"
	r.In, r.Out = s.up.n, s.down.n
	l.Ended(&r, err)
	if r.Outcome == record.Failed {
		l.breakOff()
	}
	if r.Outcome == record.Allowed || r.Outcome == record.Observed { // of what ended halfway, the other end has another half
		r.Request, r.Response = s.up.digest.sum(), s.down.digest.sum()
	}
	l.Keep(kept, r)
}

// A stream is a connection on its way through: two directions.
type stream struct {
	caller, target net.Conn
	up, down       direction
	lax            bool

	mu      sync.Mutex
	aborted bool
}

type direction struct {
	n      int64 // bytes that were delivered
	digest digest
	ended  atomic.Bool // as it should
}

func newStream(caller net.Conn, t *Target, key record.Secret) *stream {
	return &stream{caller: caller, target: t.Conn, up: direction{digest: digest{hash: key.Digest(record.ToTarget)}}, down: direction{digest: digest{hash: key.Digest(record.FromTarget)}}}
}

// run copies both ways until both have ended, or one has failed.
func (s *stream) run() error {
	var first error
	var once sync.Once
	var other sync.WaitGroup
	pass := func(d, back *direction, to, from net.Conn, toName, fromName string) {
		err := s.copy(d, to, from, toName, fromName)
		if err == nil && unsaid(from) && !s.lax && !back.ended.Load() {
			err = fault(fromName, errNoGoodbye)
		}
		// That the other side is gone already, its own direction finds out.
		if err == nil {
			d.ended.Store(true)
			if !errors.Is(CloseWrite(to), errNoHalf) {
				return
			}
		}
		once.Do(func() { first = err })
		if err != nil {
			reset(s.target)
		}
		s.abort()
	}
	other.Go(func() { pass(&s.down, &s.up, s.caller, s.target, "caller", "target") })
	pass(&s.up, &s.down, s.target, s.caller, "target", "caller")
	other.Wait()
	return first
}

// abort makes both directions end: the target is closed, and nothing is read or
// written on the caller's side any more.
func (s *stream) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aborted = true
	s.target.Close()
	s.caller.SetDeadline(time.Unix(1, 0))
}

func (s *stream) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aborted
}

// within has a read of c end at t, unless all of them are to.
func (s *stream) within(c net.Conn, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.aborted {
		c.SetReadDeadline(t)
	}
}

// Buffers. Who waits for bytes holds a small one, so that an idle connection costs
// little; a pair of large ones, from the pool, is for as long as they come in quantity:
// one is digested while the other is filled. Who got nothing more for so long as borrowing
// lasts gives them back: the last that came was a little too much for the small one.
const (
	smallBuffer = 1 << 10
	largeBuffer = 32 << 10
	borrowing   = time.Second
)

type pair [2][largeBuffer]byte

var pairs = sync.Pool{New: func() any { return new(pair) }}

// copy copies one direction until from ends, which is no error.
func (s *stream) copy(d *direction, to, from net.Conn, toName, fromName string) error {
	small := make([]byte, smallBuffer)
	var borrowed *pair
	var looked int64 // d.n when it was last looked whether anything came
	giveBack := func() {
		if borrowed != nil {
			d.digest.wait()
			pairs.Put(borrowed)
			borrowed = nil
			s.within(from, time.Time{})
		}
	}
	defer giveBack()
	for turn := 0; ; turn ^= 1 {
		buf := small
		if borrowed != nil {
			buf = borrowed[turn][:]
		}
		n, err := from.Read(buf)
		if n > 0 {
			d.digest.add(buf[:n], borrowed != nil)
			written, failed := to.Write(buf[:n])
			d.n += int64(written)
			if failed != nil {
				return fault(toName, failed)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case borrowed != nil && errors.Is(err, os.ErrDeadlineExceeded) && !s.over():
			if d.n == looked {
				giveBack()
				continue
			}
			looked = d.n
			s.within(from, time.Now().Add(borrowing))
		case err != nil:
			return fault(fromName, err)
		case n == smallBuffer && borrowed == nil:
			borrowed, looked = pairs.Get().(*pair), d.n
			s.within(from, time.Now().Add(borrowing))
		case n < smallBuffer:
			giveBack()
		}
	}
}
