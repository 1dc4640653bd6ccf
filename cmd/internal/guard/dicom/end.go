package dicom

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

const (
	readBuffer = 1 << 10 // bytes; what is longer goes past it

	// farewell is how long the last PDU may take to be written, and how long the other
	// end has to close its side after that, before we do (PS3.8, Section 9.2.3, state 13).
	farewell = 2 * time.Second

	// maxDiscard is how much may still come meanwhile, in bytes.
	maxDiscard = 1 << 20
)

// errOver reports that nothing more is written: the last word was said, or a write
// failed within a PDU.
var errOver = errors.New("is over")

// An end is one of the two connections of an association.
type end struct {
	name string // "caller" or "target"
	conn net.Conn
	r    *bufio.Reader

	// message is held from the first fragment that is written of a message to the last:
	// those of two messages must not mix.
	message sync.Mutex

	writing sync.Mutex
	over    bool // nothing more is written

	clock sync.Mutex
	woken bool // nothing more is read
}

func newEnd(name string, c net.Conn) *end {
	return &end{name: name, conn: c, r: bufio.NewReaderSize(c, readBuffer)}
}

// write writes whole PDUs.
func (e *end) write(b []byte) error {
	e.writing.Lock()
	defer e.writing.Unlock()
	if e.over {
		return &gate.Fault{Side: e.name, Err: errOver}
	}
	_, err := e.conn.Write(b)
	if err != nil {
		e.over = true
	}
	return e.failed(err)
}

// last writes a PDU after which there is none, if that is still possible.
func (e *end) last(pdu []byte) {
	e.conn.SetWriteDeadline(time.Now().Add(farewell))
	e.writing.Lock()
	defer e.writing.Unlock()
	if !e.over {
		e.over = true
		e.conn.Write(pdu)
	}
}

// within bounds the time of the next reads; 0: there is no bound.
func (e *end) within(d time.Duration) {
	e.clock.Lock()
	defer e.clock.Unlock()
	switch {
	case e.woken:
	case d == 0:
		e.conn.SetReadDeadline(time.Time{})
	default:
		e.conn.SetReadDeadline(time.Now().Add(d))
	}
}

// wake ends every read at once, and a write that is under way soon.
func (e *end) wake() {
	e.clock.Lock()
	defer e.clock.Unlock()
	e.woken = true
	e.conn.SetReadDeadline(time.Unix(1, 0))
	e.conn.SetWriteDeadline(time.Now().Add(farewell))
}

// linger waits for the other end to close, so that what was written last is not lost to
// a reset.
func (e *end) linger() {
	gate.CloseWrite(e.conn)
	e.conn.SetReadDeadline(time.Now().Add(farewell))
	io.CopyN(io.Discard, e.r, maxDiscard)
}

// failed says whose connection failed, without the addresses, which the record has.
func (e *end) failed(err error) error {
	if err == nil || asFault(err) != nil {
		return err
	}
	switch {
	case errors.Is(err, io.EOF):
		err = errLeft
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errTorn
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return &gate.Fault{Side: e.name, Err: err}
}

var (
	errLeft = errors.New("left without a release")
	errTorn = errors.New("left in the middle of a PDU")
)
