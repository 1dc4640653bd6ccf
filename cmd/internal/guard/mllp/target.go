package mllp

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// serveTarget takes one answer of the target after the other, until the connection ends.
// It returns nil if that was so between two blocks and nothing was to come.
func (s *session) serveTarget(ctx context.Context) error {
	for {
		err := s.fromTarget.Next()
		if err == nil {
			err = s.takeAnswer(ctx)
		}
		switch {
		case err == nil:
			s.mu.Lock()
			s.await()
			s.mu.Unlock()
			continue
		case errors.Is(err, io.EOF) && s.idle():
			return nil
		case timedOut(err):
			err = errTardy
		}
		if _, is := errors.AsType[*gate.Fault](err); is || err == errUnrecorded {
			return err
		}
		return side("target", err)
	}
}

func (s *session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0
}

// takeAnswer reads a block of the target that has begun, and passes it on if it answers
// something.
func (s *session) takeAnswer(ctx context.Context) error {
	s.target.SetReadDeadline(time.Now().Add(s.MessageTime))
	m := newMessage(s.fromTarget)
	defer m.release()
	if err := m.head(); err != nil {
		return err
	}
	s.mu.Lock()
	if code, is := m.commit(); is {
		defer s.mu.Unlock()
		return s.commitFromTarget(ctx, code)
	}
	a, bad := parseAnswer(m.text())
	if bad == nil {
		if e := s.matchSent(&a); e != nil && (e.batch() || !m.several) {
			defer s.mu.Unlock()
			return s.relay(ctx, e, &a, m)
		}
		if i := s.expected(&a); i >= 0 && !m.several {
			defer s.mu.Unlock()
			return s.relayLate(ctx, i, &a, m)
		}
	}
	waits := s.waiting.oldest() != nil
	s.mu.Unlock()
	return s.unasked(ctx, &a, m, bad == errNoAnswer && !m.several, waits)
}

// matchSent returns the exchange that a answers, or nil. A target that answers before it
// has the whole message is listened to when it has. mu is held, but let go meanwhile.
func (s *session) matchSent(a *answer) *exchange {
	e := s.waiting.match(a)
	if e == nil || !e.sent.IsZero() {
		return e
	}
	s.mu.Unlock()
	s.sending.Lock()
	s.mu.Lock()
	s.sending.Unlock()
	if e = s.waiting.match(a); e != nil && e.sent.IsZero() {
		return nil // it was broken off, or another one is sent already
	}
	return e
}

// relay passes the answer to a message on. mu is held.
func (s *session) relay(ctx context.Context, e *exchange, a *answer, m *message) error {
	kept, err := s.write(ctx, e, a, m)
	if kept {
		s.remove(e) // it has its answer, even if its sender has not
	}
	if err != nil {
		return err
	}
	if !e.last(a) {
		s.late = keep(s.late, e)
	}
	return s.flush(ctx)
}

// expected returns which exchange an answer belongs to that need not have come; -1:
// none. mu is held.
func (s *session) expected(a *answer) int {
	return slices.IndexFunc(s.late, func(e *exchange) bool { return a.to != "" && e.header.ControlID == a.to })
}

// relayLate passes such an answer on. It has a record of its own. mu is held.
func (s *session) relayLate(ctx context.Context, i int, a *answer, m *message) error {
	e := s.late[i]
	if e.last(a) {
		s.late = slices.Delete(s.late, i, i+1)
	}
	_, err := s.write(ctx, e, a, m)
	return err
}

// write writes an answer to the caller, of which the last byte goes out when the
// record is kept. If it cannot be, the caller gets an answer that says so, or, where it
// has most of the other already, no end of it. It reports whether it was. mu is held.
func (s *session) write(ctx context.Context, e *exchange, a *answer, m *message) (kept bool, err error) {
	m.sum(s.bond.Digest(e.record.Number, record.FromTarget))
	m.admit = e.batch
	s.link.Conn.SetWriteDeadline(time.Now().Add(s.MessageTime))
	if !m.ended {
		s.torn = true
		if _, err := s.link.Conn.Write(m.block(false)); err != nil {
			return false, side("caller", err)
		}
		source, sink := m.pump(s.link.Conn)
		if sink != nil {
			return false, side("caller", sink)
		}
		if source != nil {
			return false, source
		}
		m.streamed = true
	}
	r := e.record
	r.Answer, r.Out, r.Response, r.End = a.code, m.size, m.sumUp(), s.link.Route.Now()
	if s.keep(ctx, e, r) != nil {
		e.unkept()
		return false, errUnrecorded
	}
	s.out += m.size
	s.commits.answered(e, false)
	if _, err := s.link.Conn.Write(m.tail()); err != nil {
		return true, side("caller", err)
	}
	s.torn = false
	return true, nil
}

// unasked refuses a message of the target that answers none of the caller's: it does
// not reach the caller, and is answered with AR if it wants an answer. An answer to a
// message that it was not sent, or what cannot be read, ends the link while another one
// waits, for which it may have been meant.
func (s *session) unasked(ctx context.Context, a *answer, m *message, isMessage, waits bool) error {
	r := s.link.Record(record.MLLP, record.Message)
	r.Number = s.numbers.unsolicited()
	r.Key = s.bond.Key(r.Number)
	if r.Side == record.Client {
		r.Link = s.bond.Link
	}
	r.Operation, r.Resource, r.Answer = a.Type(), a.names(), a.code
	r.Outcome, r.Reason = record.Refused, "the target may only answer"
	m.sum(s.bond.Digest(r.Number, record.FromTarget))
	if err := m.discard(); err != nil {
		return err
	}
	r.Out, r.Response, r.End = m.size, m.sumUp(), s.link.Route.Now()
	if s.link.Keep(context.WithoutCancel(ctx), r) != nil {
		return errUnrecorded
	}
	if !isMessage {
		if waits {
			return errStranger
		}
		return nil
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if content := a.acknowledge(notAllowed, r.End); content != nil {
		if err := s.writeTarget(slices.Concat([]byte{startBlock}, content, []byte{endBlock, carriageReturn})); err != nil {
			return err
		}
	}
	return nil
}

// writeTarget writes a whole block to the target. sending is held.
func (s *session) writeTarget(block []byte) error {
	s.target.SetWriteDeadline(time.Now().Add(s.MessageTime))
	_, err := s.target.Write(block)
	return err
}

// commitFromTarget passes on what the target says of a message. With a NAK it has not
// stored it, and no answer follows. mu is held.
func (s *session) commitFromTarget(ctx context.Context, code byte) error {
	if len(s.commits.messages) == 0 {
		return errCommit
	}
	e := s.commits.messages[0]
	s.commits.drop(e)
	if code == commitNAK && slices.Contains(s.waiting, e) {
		r := e.record
		r.Answer, r.End = "NAK", s.link.Route.Now()
		if s.keep(ctx, e, r) != nil {
			e.unkept()
			return errUnrecorded
		}
		s.remove(e)
	}
	s.link.Conn.SetWriteDeadline(time.Now().Add(s.MessageTime))
	if _, err := s.link.Conn.Write(commitBlock(code)); err != nil {
		return side("caller", err)
	}
	return s.flush(ctx)
}
