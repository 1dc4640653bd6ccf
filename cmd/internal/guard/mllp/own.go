package mllp

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// answer has the guard answer a message when its turn comes, which is now unless others
// wait before it.
func (s *session) answer(ctx context.Context, e *exchange) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, e)
	return s.flush(ctx)
}

// flush answers those messages whose turn it is. mu is held.
func (s *session) flush(ctx context.Context) error {
	var first error
	for len(s.waiting) > 0 && s.waiting[0].verdict != 0 {
		if err := s.deliver(ctx, s.waiting[0]); first == nil {
			first = err
		}
		s.remove(s.waiting[0])
	}
	return first
}

// deliver records what the guard answers, and writes it to the caller: also if the
// record cannot be kept, for it says no. mu is held.
func (s *session) deliver(ctx context.Context, e *exchange) error {
	content := e.header.acknowledge(e.verdict, s.link.Route.Now())
	if e.silent || s.torn || s.dropped(ctx) {
		content = nil
	}
	r := e.record
	r.Key = s.bond.Key(r.Number)
	if r.End.IsZero() {
		r.End = s.link.Route.Now()
	}
	if content != nil {
		r.Answer, r.Out = e.header.refusal(e.verdict), int64(len(content))
		if r.Side == record.Server { // beside the caller it has not crossed, and the other end may have another
			h := s.bond.Digest(r.Number, record.FromTarget)
			h.Write(content)
			r.Response = record.Digest(h.Sum(nil))
		}
	}
	err := s.keep(ctx, e, r)
	if content == nil {
		return err
	}
	s.out += int64(len(content))
	s.commits.answered(e, true)
	s.link.Conn.SetWriteDeadline(time.Now().Add(s.MessageTime))
	block := slices.Concat([]byte{startBlock}, content, []byte{endBlock, carriageReturn})
	if _, failed := s.link.Conn.Write(block); failed != nil && err == nil {
		return side("caller", failed)
	}
	return err
}

// dropped says whether the caller's side was closed by the guard, so that nothing can be
// said there any more. Beside the caller a cut may also be of the target alone.
func (s *session) dropped(ctx context.Context) bool {
	switch why, cut := s.link.Why(); why {
	case gate.Idle, gate.TooOld, gate.NotAllowed, gate.Draining:
		return false
	default:
		return cut && (s.link.Route.Side == record.Server || ctx.Err() != nil)
	}
}

// finish answers and records whatever is left when the session is over: what the target
// did not answer.
func (s *session) finish(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil { // the target ended while nothing waited for it, and then something did
		err = side("target", errEnded)
	}
	for _, e := range s.waiting {
		if e.verdict == 0 {
			e.verdict = unanswered
			s.link.Ended(&e.record, err)
		}
	}
	s.flush(ctx)
}

// keep keeps a record of an exchange; if it is not the first, its number says so. mu is
// held.
func (s *session) keep(ctx context.Context, e *exchange, r record.Record) error {
	e.records++
	if e.records > 1 {
		r.Number += "." + strconv.Itoa(e.records)
	}
	if s.link.Keep(context.WithoutCancel(ctx), r) != nil {
		return errUnrecorded
	}
	return nil
}

// remove takes an exchange out of those that wait, and makes its place free. mu is held.
func (s *session) remove(e *exchange) {
	if i := slices.Index(s.waiting, e); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.free(e)
}

// free gives back the place of an exchange.
func (s *session) free(e *exchange) {
	if e.slot {
		e.slot = false
		<-s.slots
	}
}
