package mllp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A Gate is MLLP's [gate.Gate]. The zero Gate has the defaults.
type Gate struct {
	// MaxMessage bounds the content of a message and of an answer, in bytes; 0: 16 MiB.
	MaxMessage int64

	// Outstanding is how many messages of one link may be without an answer at a time.
	// Who sends more at once waits, in TCP's buffers. 0 is 1: a message goes to the
	// target when the one before was answered.
	Outstanding int

	// MessageTime is how long a message or an answer may take from its first byte to
	// its last; 0: 5 minutes. It is no idle timeout: between messages nothing runs.
	MessageTime time.Duration

	// AnswerTime is how long the target may take to answer a message, from its last
	// byte on; 0: 2 minutes.
	AnswerTime time.Duration
}

// Defaults of a [Gate].
const (
	defaultMaxMessage  = 16 << 20
	defaultMessageTime = 5 * time.Minute
	defaultAnswerTime  = 2 * time.Minute
)

// linkNumber is the number of the link's own two records.
const linkNumber = "0"

// Serve implements [gate.Gate]. It keeps one record when the link is made, one for each
// message, which is kept before the last byte of its answer goes out, and one at the
// end of the link. If the first cannot be kept, or the target is not there, the link
// ends without a word.
func (g Gate) Serve(ctx context.Context, l *gate.Link) {
	kept := context.WithoutCancel(ctx)
	r := l.Record(record.MLLP, record.Connection)
	r.Operation, r.Number, r.Outcome = "open", linkNumber, record.Allowed
	if l.Ready(ctx) != nil {
		return
	}
	t, err := l.Dial(ctx)
	if err != nil {
		l.Ended(&r, side("target", err))
		l.Keep(kept, r)
		return
	}
	defer t.Close()
	bond := l.Bond(t)
	r.Link = bond.Link
	if l.Keep(kept, r) != nil {
		return
	}
	s := newSession(g.withDefaults(), l, t, bond)
	if err = t.Begin(); err == nil {
		err = s.run(ctx)
	} else {
		err = side("target", err)
	}
	r.Operation, r.In, r.Out = "close", s.in, s.out
	l.Ended(&r, err)
	if reason, is := malformation(err); is && r.Outcome == record.Failed && fromCaller(err) {
		r.Outcome, r.Reason = record.Refused, reason
	}
	l.Keep(kept, r)
}

func fromCaller(err error) bool {
	fault, is := errors.AsType[*gate.Fault](err)
	return is && fault.Side == "caller"
}

func (g Gate) withDefaults() Gate {
	g.MaxMessage = cmp.Or(g.MaxMessage, defaultMaxMessage)
	g.Outstanding = cmp.Or(g.Outstanding, 1)
	g.MessageTime = cmp.Or(g.MessageTime, defaultMessageTime)
	g.AnswerTime = cmp.Or(g.AnswerTime, defaultAnswerTime)
	return g
}

// side says on whose side err happened, for a record: without addresses, which are in
// the record already, and in words that mean something to who reads it.
func side(name string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		err = errEnded
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return &gate.Fault{Side: name, Err: err}
}

var errEnded = errors.New("the connection ended")

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
