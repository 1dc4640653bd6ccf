package dicom

import (
	"hash"
	"strconv"
	"sync"

	"github.com/betonica/betonica/cmd/internal/record"
)

// maxOperations is how many operations of one end may be under way on an association.
// Without a window for asynchronous ones, which few use, it is one, and a C-GET has its
// C-STOREs inside.
const maxOperations = 256

// An operation is a request and the responses to it.
type operation struct {
	key     opKey
	request command
	context byte
	record  record.Record

	// Guarded by operations.mu: a response may come while the request is being sent.
	sent, answered int64 // bytes of payload that were passed on
	whole          bool  // the request was read to its end
	settled        bool  // its record says how it ended
	asking, saying hash.Hash
}

// operations are those that are under way, of both ends.
type operations struct {
	mu    sync.Mutex
	open  map[opKey]*operation
	count [3]int // numbers given out: of the caller's, the target's, and those that stay here
}

type opKey struct {
	caller bool // asks
	id     uint16
}

// add enters an operation; its message ID is not in use.
func (o *operations) add(op *operation) error {
	k := op.key
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open[k] != nil {
		return malformed("message ID %d is in use", k.id)
	}
	n := 0
	for other := range o.open {
		if other.caller == k.caller {
			n++
		}
	}
	if n >= maxOperations {
		return &faultError{abort: abortUnspecified, reject: rejectNoReason, text: "too many operations at once"}
	}
	if o.open == nil {
		o.open = make(map[opKey]*operation)
	}
	o.open[k] = op
	return nil
}

func (o *operations) find(k opKey) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.open[k]
}

// retrieving reports whether a C-GET of the caller, one that was let through, is under
// way.
func (o *operations) retrieving() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, op := range o.open {
		if k.caller && op.request.Field == cGet && op.record.Outcome != record.Refused {
			return true
		}
	}
	return false
}

// remove takes an operation out, and reports whether none is left.
func (o *operations) remove(op *operation) (idle bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.open, op.key)
	return len(o.open) == 0
}

func (o *operations) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.open) == 0
}

// settle notes that an operation's record is kept.
func (o *operations) settle(op *operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.settled = true
}

// unsettled returns the operations of which no record says how they ended.
func (o *operations) unsettled() []*operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []*operation
	for _, op := range o.open {
		if !op.settled {
			all = append(all, op)
		}
	}
	return all
}

// number counts the operations that cross the TLS connection, the same at both of its
// ends: "1", "2" of the caller, "t1" of the target. What a guard refuses without the
// other end seeing it is "r1".
func (o *operations) number(caller, crosses bool) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, prefix := 0, ""
	switch {
	case !crosses:
		i, prefix = 2, "r"
	case !caller:
		i, prefix = 1, "t"
	}
	o.count[i]++
	return prefix + strconv.Itoa(o.count[i])
}

// passed notes payload, the last of its message or not. That of a request that is
// refused is digested as it came, since the guard beside the caller does so, too; but it
// went nowhere.
func (o *operations) passed(op *operation, response bool, b []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := int64(len(b))
	if op.record.Outcome == record.Refused {
		n = 0
	}
	if response {
		op.answered += n
		op.saying.Write(b)
	} else {
		op.sent += n
		op.asking.Write(b)
		op.whole = op.whole || last
	}
}

// result returns the operation's record with what was counted. A digest is of the whole
// of what it is of, or zero: that of the responses is asked for when they are over.
func (o *operations) result(op *operation, over bool) record.Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := op.record
	if r.In, r.Out = op.sent, op.answered; !op.key.caller {
		r.In, r.Out = r.Out, r.In
	}
	if op.whole {
		r.Request = record.Digest(op.asking.Sum(nil))
	}
	if over {
		r.Response = record.Digest(op.saying.Sum(nil))
	}
	return r
}
