package mllp

import (
	"context"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
)

// pass brings a message to the target. While it does, the message is among those that
// wait: whatever goes wrong then, it is answered and recorded when the session ends.
func (s *session) pass(ctx context.Context, e *exchange, m *message) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	if e.record.Number == "" {
		e.record.Number = s.numbers.sent()
		e.record.Link = s.bond.Link
	}
	e.record.Key = s.bond.Key(e.record.Number)
	s.add(e)
	m.sum(s.bond.Digest(e.record.Number, record.ToTarget))
	m.admit = func() bool { return s.admit(e) }
	s.target.SetWriteDeadline(time.Now().Add(s.MessageTime))
	if !m.ended {
		if _, err := s.target.Write(m.block(false)); err != nil {
			return s.undelivered(e, m, err)
		}
		source, sink := m.pump(s.target)
		if sink != nil {
			return s.undelivered(e, m, sink)
		}
		if source != nil {
			return s.brokenOff(ctx, e, m, source)
		}
		m.streamed = true
	}
	s.count(e, m)
	if !e.owed() {
		if err := s.unawaited(ctx, e); err != nil {
			return err
		}
	}
	s.delivered(e)
	if _, err := s.target.Write(m.tail()); err != nil {
		return s.undelivered(e, m, err)
	}
	if !e.owed() {
		s.settled(e)
	}
	return nil
}

// add puts an exchange in its place among those that wait.
func (s *session) add(e *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, e)
}

// admit is asked when a second header comes by in a message that goes to the target
// already.
func (s *session) admit(e *exchange) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.several = true
	e.record.Operation = e.kind()
	return s.decide(e)
}

// count notes that the whole content has been read.
func (s *session) count(e *exchange, m *message) {
	e.record.In, e.record.Request = m.size, m.sumUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in += m.size
}

// delivered notes that the target is about to have all of the message, from when on it
// may answer.
func (s *session) delivered(e *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.sent = time.Now()
	s.commits.expect(e)
	s.await()
}

// unawaited records a message that need not be answered, before the target has its
// last byte.
func (s *session) unawaited(ctx context.Context, e *exchange) error {
	s.mu.Lock()
	e.record.End = s.link.Route.Now()
	err := s.keep(ctx, e, e.record)
	s.mu.Unlock()
	if err == nil {
		return nil
	}
	s.closeTarget()
	s.mu.Lock()
	defer s.mu.Unlock()
	e.unkept()
	return err
}

// settled takes a message that need not be answered out of those that wait; an answer
// that comes all the same may pass.
func (s *session) settled(e *exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(e)
	if e.header.more() {
		s.late = keep(s.late, e)
	}
	s.await()
}

// undelivered ends the session for a target that does not take a message. The rest of
// the message is read, so that its sender comes to listen.
func (s *session) undelivered(e *exchange, m *message, err error) error {
	err = side("target", err)
	s.closeTargetAs(err)
	m.discard()
	if e.sent.IsZero() { // otherwise it may have been answered meanwhile
		e.record.In = m.size
	}
	return err
}

// brokenOff ends the session for a message that was malformed after some of it had gone
// to the target, which gets no end of it.
func (s *session) brokenOff(ctx context.Context, e *exchange, m *message, err error) error {
	s.closeTarget()
	if timedOut(err) && ctx.Err() == nil {
		err = errSlow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.record.In = m.size
	s.fault(e, err)
	return side("caller", err)
}

// closeTargetAs is closeTarget, unless there is a reason already why the target is gone.
func (s *session) closeTargetAs(err error) {
	s.mu.Lock()
	if s.broken == nil {
		s.broken = err
	}
	s.closing = true
	s.mu.Unlock()
	s.target.Close()
}

// await has the target's silence end when the oldest answer is late.
func (s *session) await() {
	deadline := time.Time{}
	if e := s.waiting.oldest(); e != nil {
		deadline = e.sent.Add(s.AnswerTime)
	}
	s.target.SetReadDeadline(deadline)
}
