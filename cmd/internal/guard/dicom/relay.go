package dicom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// An ending is how an association ends: the first reason is the one.
type ending struct {
	once     sync.Once
	err      error // nil: released
	draining atomic.Bool
	releases [2]release // of the caller, and of the target
}

// A release is how far one end's request to release the association has come.
type release struct{ state atomic.Int32 }

const (
	notAsked int32 = iota
	waiting
	answered
)

// Why an association ends that nobody released.
var (
	errCut      = errors.New("the guard ends it")
	errDraining = errors.New(gate.Draining)
	errUnkept   = errors.New("no record can be kept")
)

// An abortedError is an A-ABORT of one end.
type abortedError struct {
	by  *end
	pdu []byte
}

func (e *abortedError) Error() string {
	return fmt.Sprintf("aborts: source %d, reason %d", e.pdu[8], e.pdu[9])
}

// finish ends the association: both directions come to an end.
func (s *session) finish(err error) {
	s.once.Do(func() {
		s.ending.err = err
		s.caller.wake()
		s.target.wake()
	})
}

// relay passes messages both ways until the association is released, aborted or cut,
// and keeps the records of its end.
func (s *session) relay(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { s.finish(errCut) })
	defer stop()
	over := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() { s.drain(over) })
	up := &direction{session: s, from: s.caller, to: s.target, caller: true,
		in: fragments{r: s.caller.r, limit: s.granted.User.MaxLength}, toLimit: s.granted.User.MaxLength, fromLimit: s.asked.User.MaxLength}
	down := &direction{session: s, from: s.target, to: s.caller,
		in: fragments{r: s.target.r, limit: s.asked.User.MaxLength}, toLimit: s.asked.User.MaxLength, fromLimit: s.granted.User.MaxLength}
	var other sync.WaitGroup
	other.Go(func() { s.finish(down.run()) })
	s.finish(up.run())
	other.Wait()
	close(over)
	watching.Wait()
	s.farewell()
	s.close()
	s.leave()
}

// leave waits for the ends to close: who asked for the release, and both where there
// was none.
func (s *session) leave() {
	var other sync.WaitGroup
	defer other.Wait()
	switch {
	case s.ending.err != nil:
		other.Go(s.target.linger)
	case s.releases[1].state.Load() == answered:
		gate.CloseWrite(s.caller.conn)
		s.target.linger()
		return
	default:
		s.target.conn.Close()
	}
	s.caller.linger()
}

// drain ends the association when the route does, as soon as nothing is under way.
func (s *session) drain(over <-chan struct{}) {
	select {
	case <-over:
	case <-s.link.Route.Drain:
		s.draining.Store(true)
		if s.ops.idle() {
			s.finish(errDraining)
		}
	}
}

// farewell tells both ends of an association that was not released that it is over.
func (s *session) farewell() {
	err := s.ending.err
	if err == nil {
		return
	}
	pdu := abortUnspecified.pdu()
	aborted, _ := errors.AsType[*abortedError](err)
	if aborted != nil {
		pdu = aborted.pdu
	} else if fault := asFault(err); fault != nil {
		pdu = fault.abort.pdu()
	}
	for _, e := range []*end{s.target, s.caller} {
		if aborted == nil || aborted.by != e {
			e.last(pdu)
		}
	}
}

// close keeps the records of what was under way, and that of the association.
func (s *session) close() {
	err := s.ending.err
	for _, op := range s.ops.unsettled() {
		r := s.ops.result(op, false)
		switch r.End = s.link.Route.Now(); {
		case r.Outcome == record.Refused: // as it would have been answered
		case err == nil:
			r.Outcome, r.Reason = record.Failed, "released before the response"
		default:
			s.ended(&r)
		}
		if s.link.Keep(s.kept, r) != nil {
			break
		}
	}
	r := &s.association
	s.ended(r)
	if by, _ := errors.AsType[*gate.Fault](err); r.Outcome == record.Failed && asFault(err) != nil && by != nil && by.Side == s.caller.name {
		r.Outcome = record.Refused
	}
	s.link.Keep(s.kept, *r)
}

// ended sets a record's outcome from how the association ended.
func (s *session) ended(r *record.Record) {
	s.link.Ended(r, s.ending.err)
	if r.Outcome != record.Cut && errors.Is(s.ending.err, errDraining) {
		r.Outcome = record.Cut
	}
}
