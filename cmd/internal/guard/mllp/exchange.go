package mllp

import (
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
)

// An exchange is a message of the caller and what answers it.
type exchange struct {
	header  Header
	several bool // there is a second header in it
	record  record.Record
	verdict verdict // why the guard answers; 0: the target does
	silent  bool    // the guard says nothing: the caller is not there
	slot    bool    // it holds one of the link's places

	sent    time.Time // when the target had all of the message; zero: not yet
	records int       // that were kept
}

// batch says whether it is more than one message, or may be.
func (e *exchange) batch() bool { return e.header.Batch || e.several }

// kind is the type that rules and records know.
func (e *exchange) kind() string {
	if e.batch() {
		return "BATCH"
	}
	return e.header.Type()
}

// owed says whether an answer will come.
func (e *exchange) owed() bool { return e.batch() || e.header.owed() }

// last says whether no answer to the message follows this one.
func (e *exchange) last(a *answer) bool { return a.code != "CA" || !e.header.more() }

// unkept notes that its record could not be kept, which is what its sender is told.
func (e *exchange) unkept() {
	e.verdict = unrecorded
	e.record.Outcome, e.record.Reason = record.Failed, errUnrecorded.Error()
}

// maxKept bounds the lists of what may come, but need not: a list that is full forgets
// its oldest.
const maxKept = 64

// keep appends to such a list.
func keep[T any](list []T, one T) []T {
	if len(list) == maxKept {
		list = append(list[:0], list[1:]...)
	}
	return append(list, one)
}

// waiting are the exchanges without an answer, in the order of their messages.
type waiting []*exchange

// match returns the exchange that a answers, or nil. An answer that says no and names no
// message is taken for the oldest's: its receiver could not read the name. What answers a
// batch is a batch, or one message, and the batch must be the oldest.
func (w waiting) match(a *answer) *exchange {
	first := true
	for _, e := range w {
		if e.verdict != 0 {
			continue
		}
		unnamed := a.to == "" && a.code != "" && !a.positive()
		if first && (e.batch() || unnamed) || !e.batch() && !a.Batch && a.to != "" && e.header.ControlID == a.to {
			return e
		}
		first = false
	}
	return nil
}

// oldest returns the one that the target is to answer next, or nil.
func (w waiting) oldest() *exchange {
	for _, e := range w {
		if e.verdict == 0 && !e.sent.IsZero() {
			return e
		}
	}
	return nil
}
