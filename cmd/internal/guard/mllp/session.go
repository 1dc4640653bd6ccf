package mllp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A session is one link at work. One goroutine reads from the caller and writes to the
// target, the other one reads from the target and writes to the caller; what the guard
// answers itself goes out when everything before it was answered.
type session struct {
	Gate
	link   *gate.Link
	target *gate.Target
	bond   record.Bond

	fromCaller, fromTarget *Reader

	numbers numbers
	slots   chan struct{} // one for each message that is under way
	over    chan struct{} // closed when nothing comes from the target any more

	sending sync.Mutex // held while a block goes to the target; taken before mu

	mu      sync.Mutex // held while a block goes to the caller, and for what follows
	in, out int64      // bytes of content that were passed on
	waiting waiting
	late    []*exchange // that may have a further answer
	commits commits

	left    bool  // the caller has ended its direction
	between bool  // the caller's side is between two blocks, and its reader may be woken
	ending  bool  // no further message is begun
	closing bool  // the target was closed here
	broken  error // what was wrong with the target
	torn    bool  // the caller has the beginning of a block that will not be ended
}

var (
	errUnrecorded = errors.New("a record could not be kept")
	errSlow       = &FrameError{"a block that takes too long"}
	errTardy      = errors.New("no answer in time")
	errStranger   = errors.New("an answer to a message that it was not sent")
)

func newSession(g Gate, l *gate.Link, t *gate.Target, bond record.Bond) *session {
	return &session{
		Gate: g, link: l, target: t, bond: bond,
		fromCaller: NewReader(l.Conn, g.MaxMessage), fromTarget: NewReader(t, g.MaxMessage),
		numbers: numbers{crosses: l.Route.Side == record.Server},
		slots:   make(chan struct{}, g.Outstanding), over: make(chan struct{}),
	}
}

// run serves the link to its end, and returns what was wrong, if anything.
func (s *session) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	ended := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(ended)
	others.Go(func() {
		select {
		case <-s.link.Route.Drain:
			s.end()
		case <-ended:
		}
	})
	others.Go(func() {
		defer close(s.over)
		s.targetGone(s.serveTarget(ctx))
	})
	err := s.serveCaller(ctx)
	s.settle(ctx)
	s.closeTarget()
	<-s.over
	if err == nil {
		err = s.broken
	}
	s.finish(ctx, err)
	if !s.left {
		s.linger()
	}
	return err
}

// settle waits until every message is answered, or will not be: a caller that has gone
// leaves a better record than that it did. One that was cut has no time for that.
func (s *session) settle(ctx context.Context) {
	if _, cut := s.link.Why(); cut {
		return
	}
	for range cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
		case <-s.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// end has the caller's reader stop where a block has ended.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

// stop is end under mu.
func (s *session) stop() {
	s.ending = true
	if s.between {
		s.link.Conn.SetReadDeadline(past)
	}
}

// past is a deadline that ends whatever waits now.
var past = time.Unix(1, 0)

// abort has both sides stop wherever they are. It waits for nobody: who holds mu may be
// writing to a caller that does not read.
func (s *session) abort() {
	s.target.Close()
	s.link.Conn.SetDeadline(past)
	s.end()
	s.link.Conn.SetReadDeadline(past)
}

// closeTarget ends the connection to the target, and whatever block goes over it.
func (s *session) closeTarget() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.target.Close()
}

// targetGone notes why nothing comes from the target any more. That it was closed here
// explains what is wrong with the target, but not that the caller was gone before it had
// an answer.
func (s *session) targetGone(err error) {
	s.target.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	fault, is := errors.AsType[*gate.Fault](err)
	if !s.closing || s.broken == nil && is && fault.Side == "caller" {
		s.broken = err
	}
	s.stop()
}

// linger lets what the caller was told last reach it: a connection that is closed while
// something is unread is reset, and what is on its way is lost with it.
func (s *session) linger() {
	const longest, most = time.Second, 1 << 20
	if gate.CloseWrite(s.link.Conn) != nil {
		return
	}
	s.link.Conn.SetReadDeadline(time.Now().Add(longest))
	buffer := make([]byte, 4<<10)
	for n := 0; n < most; {
		m, err := s.link.Conn.Read(buffer)
		if err != nil {
			return
		}
		n += m
	}
}
