package mllp

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// serveCaller takes one message of the caller after the other. It returns nil when the
// caller has ended, between two messages, or the session is to end.
func (s *session) serveCaller(ctx context.Context) error {
	for {
		switch err := s.next(); {
		case err == io.EOF:
			return nil
		case err != nil:
			return side("caller", err)
		}
		if err := s.take(ctx); err != nil {
			return err
		}
	}
}

// next waits for the caller's next block, for ever if need be.
func (s *session) next() error {
	s.mu.Lock()
	if s.ending {
		s.mu.Unlock()
		return io.EOF
	}
	s.between = true
	s.link.Conn.SetReadDeadline(time.Time{})
	s.mu.Unlock()
	err := s.fromCaller.Next()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = false
	if timedOut(err) && s.ending {
		return io.EOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) { // between blocks nothing can be missing
		err = io.EOF
	}
	s.left = err == io.EOF
	return err
}

// take reads a message that has begun, decides it, and passes it on or answers it.
func (s *session) take(ctx context.Context) error {
	s.readBy(ctx, time.Now().Add(s.MessageTime))
	m := newMessage(s.fromCaller)
	defer m.release()
	e := &exchange{record: s.link.Record(record.MLLP, record.Message)}
	err := m.head()
	if code, is := m.commit(); is && err == nil {
		return s.commitFromCaller(code)
	}
	if e.record.Number = s.numbers.read(); e.record.Number != "" {
		e.record.Link = s.bond.Link
	}
	header, bad := ParseHeader(m.text(), m.ended)
	e.header = header
	e.record.Operation, e.record.Resource = header.Type(), header.names()
	if err != nil {
		return s.unreadable(ctx, e, m, err)
	}
	e.verdict = s.judge(ctx, e, m, bad)
	if !s.place(ctx, e) {
		if e.record.Number == "" {
			e.record.Number = s.numbers.turnedAway()
		}
		s.add(e)
		return nil
	}
	if e.verdict != 0 {
		return s.turnAway(ctx, e, m)
	}
	return s.pass(ctx, e, m)
}

// place waits until few enough messages are without an answer for one more. What has
// none does not wait: the target may want an acknowledgement, or a commit, before it
// answers what the caller sent. It returns false if the session is over.
func (s *session) place(ctx context.Context, e *exchange) bool {
	if e.verdict == 0 && !e.owed() {
		return true
	}
	select {
	case s.slots <- struct{}{}:
	default:
		if !s.queue(ctx) {
			return false
		}
	}
	e.slot = true
	s.readBy(ctx, time.Now().Add(s.MessageTime))
	return true
}

// queue waits for a place. Nothing is read from the caller meanwhile, so that a cut is
// looked for.
func (s *session) queue(ctx context.Context) bool {
	look := time.NewTicker(time.Second / 4)
	defer look.Stop()
	for {
		select {
		case s.slots <- struct{}{}:
			return true
		case <-s.over:
			return false
		case <-ctx.Done():
			return false
		case <-look.C:
			if _, cut := s.link.Why(); cut {
				return false
			}
		}
	}
}

// readBy bounds the reading of a message from the caller, unless the link has been
// ended.
func (s *session) readBy(ctx context.Context, t time.Time) {
	s.link.Conn.SetReadDeadline(t)
	if ctx.Err() != nil {
		s.link.Conn.SetReadDeadline(past)
	}
}

// judge says why the message is not passed on; 0 if it is. bad is what is wrong with its
// header.
func (s *session) judge(ctx context.Context, e *exchange, m *message, bad error) verdict {
	v := notAllowed
	switch {
	case bad != nil:
		e.record.Outcome, e.record.Reason = record.Refused, "malformed: "+bad.Error()
		return verdictOf(bad)
	case m.several:
		v = manyMessages
		e.several = true
		e.record.Operation = e.kind()
	}
	if s.link.Ready(ctx) != nil {
		e.record.Outcome, e.record.Reason = record.Failed, errUnrecorded.Error()
		return unrecorded
	}
	if !s.decide(e) {
		return v
	}
	return 0
}

// decide asks the rules about the message.
func (s *session) decide(e *exchange) bool {
	e.record.Rule, e.record.Outcome = s.link.Decide(&allow.Request{Kind: allow.HL7, Message: e.kind()})
	if e.record.Outcome == record.Refused {
		e.record.Reason = "no rule allows it"
		return false
	}
	return true
}

// turnAway reads the rest of a message that is not passed on, and has it answered in its
// turn. The link ends where there is nothing to answer with, and where no record can be
// kept.
func (s *session) turnAway(ctx context.Context, e *exchange, m *message) error {
	if e.record.Number == "" {
		e.record.Number = s.numbers.turnedAway()
	}
	m.sum(s.bond.Digest(e.record.Number, record.ToTarget))
	if err := m.discard(); err != nil {
		return s.unreadable(ctx, e, m, err)
	}
	e.record.In, e.record.Request = m.size, m.sumUp()
	if err := s.answer(ctx, e); err != nil {
		return err
	}
	switch {
	case e.verdict == unrecorded:
		return errUnrecorded
	case e.header.Separators == Separators{}:
		return side("caller", errors.New("a message that cannot be answered"))
	}
	return nil
}

// unreadable ends the link for a message whose block is broken, which is answered if
// so much of it was there.
func (s *session) unreadable(ctx context.Context, e *exchange, m *message, err error) error {
	if timedOut(err) && ctx.Err() == nil {
		err = errSlow
	}
	if e.record.Number == "" {
		e.record.Number = s.numbers.turnedAway()
	}
	e.record.In = m.size
	s.fault(e, err)
	if answerErr := s.answer(ctx, e); answerErr != nil {
		return answerErr
	}
	return side("caller", err)
}

// fault notes what was wrong with a message on the way from the caller.
func (s *session) fault(e *exchange, err error) {
	e.verdict = malformed
	if err == errSeveral {
		e.verdict = manyMessages
	}
	if reason, is := malformation(err); is {
		e.record.End = s.link.Route.Now()
		e.record.Outcome, e.record.Reason = record.Refused, reason
		return
	}
	e.silent = true
	s.link.Ended(&e.record, side("caller", err))
}

// malformation is what a record says of an error if it is the caller's fault.
func malformation(err error) (reason string, is bool) {
	frame, is := errors.AsType[*FrameError](err)
	switch {
	case is:
		return "malformed: " + frame.Reason, true
	case errors.Is(err, errSeveral):
		return "malformed: " + errSeveral.Error(), true
	}
	return "", false
}
