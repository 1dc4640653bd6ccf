package dicom

import (
	"errors"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// A direction passes on what one end says to the other.
type direction struct {
	session  *session
	from, to *end
	caller   bool // from is the caller
	in       fragments

	toLimit, fromLimit uint32 // longest P-DATA-TF that each takes; 0: any

	// The message that is being read.
	context byte
	command []byte   // of its command set, so far; nil between messages
	now     *message // its data set is being read; nil: it is not
	held    bool     // to.message
	out     []byte
}

// A message is a command and what becomes of its data set.
type message struct {
	command  command
	pass     bool       // to the other end
	op       *operation // that it belongs to; nil of a C-CANCEL
	response bool       // the last one to op
}

// run passes PDUs on until one side ends, or the association does. It returns nil when
// that was released.
func (d *direction) run() error {
	defer d.letGo()
	defer d.in.giveBack()
	for {
		part, h, err := d.in.next()
		if mine, _ := d.releases(); err != nil && mine.state.Load() == answered {
			return nil // it has the reply already, and closed
		}
		if err != nil {
			return d.blame(err)
		}
		if h.Type == typeData {
			err = d.fragment(part)
		} else if over, bad := d.control(h); bad != nil || over {
			return d.blame(bad)
		}
		if err != nil {
			return d.blame(err)
		}
	}
}

// blame says that what is wrong with foreign bytes, or with reading them, is wrong with
// from.
func (d *direction) blame(err error) error {
	if fault := asFault(err); fault != nil {
		return &gate.Fault{Side: d.from.name, Err: fault}
	}
	if _, other := errors.AsType[*gate.Fault](err); other || err == nil || errors.Is(err, errUnkept) {
		return err
	}
	return d.from.failed(err)
}

// control passes on a PDU without data, and reports whether the association is over.
func (d *direction) control(h header) (over bool, err error) {
	body, err := h.body(d.in.r)
	if err != nil {
		return false, cutShort(err)
	}
	if h.Type != typeAbort && (d.command != nil || d.now != nil) {
		return false, unexpected("PDU of type %#02x within a message", byte(h.Type))
	}
	mine, other := d.releases()
	switch h.Type {
	case typeAbort:
		return false, &abortedError{d.from, frame(h.Type, body)}
	case typeReleaseRQ:
		if !mine.state.CompareAndSwap(notAsked, waiting) {
			return false, unexpected("second release request")
		}
	case typeReleaseRP:
		if !other.state.CompareAndSwap(waiting, answered) {
			return false, unexpected("release reply without a request")
		}
	default:
		return false, unexpected("PDU of type %#02x on an association", byte(h.Type))
	}
	d.to.message.Lock()
	defer d.to.message.Unlock()
	if err := d.to.write(frame(h.Type, make([]byte, 4))); err != nil {
		return false, err
	}
	return h.Type == typeReleaseRP && mine.state.Load() != waiting, nil // if both asked, two replies come
}

func (d *direction) releases() (mine, other *release) {
	both := &d.session.ending.releases
	if d.caller {
		return &both[0], &both[1]
	}
	return &both[1], &both[0]
}

// fragment takes the next piece of a message. Pieces of one message follow each other,
// the command set first (PS3.8, Annex E): what they would mean otherwise is not left to
// the other end to find out.
func (d *direction) fragment(part fragment) error {
	if mine, _ := d.releases(); mine.state.Load() != notAsked {
		return unexpected("message after a release request")
	}
	if d.now != nil {
		if part.Command || part.Context != d.context {
			return unexpected("fragment of another message within a data set")
		}
		return d.data(part)
	}
	if !part.Command || d.command != nil && part.Context != d.context {
		return unexpected("fragment of another message where a command set is to come")
	}
	if d.command == nil {
		if c := d.session.granted.context(part.Context); c == nil || c.Result != accepted {
			return malformed("presentation context %d is not accepted", part.Context)
		}
		d.context, d.command = part.Context, make([]byte, 0, max(256, len(part.Data)))
	}
	if len(d.command)+len(part.Data) > maxCommand {
		return malformed("command set is longer than %d bytes", maxCommand)
	}
	d.command = append(d.command, part.Data...)
	if !part.Last {
		return nil
	}
	raw := d.command
	d.command = nil
	c, err := parseCommand(raw)
	if err != nil {
		return err
	}
	m, err := d.begin(c)
	if err != nil {
		return err
	}
	return d.send(m, raw)
}

// send passes on the command set of a message, and ends it where there is no data set.
func (d *direction) send(m *message, raw []byte) error {
	d.session.count(m, raw, !m.command.Data)
	if m.pass {
		d.to.message.Lock()
		d.held = true
		if m.response && !m.command.Data {
			if err := d.session.settle(m); err != nil {
				return err
			}
		}
		whole := fragment{Context: d.context, Command: true, Last: true, Data: raw}
		for _, part := range whole.split(d.toLimit) {
			if err := d.pass(part); err != nil {
				return err
			}
		}
	}
	if m.command.Data {
		d.now = m
		return nil
	}
	return d.done(m)
}

// data passes on a piece of a data set.
func (d *direction) data(part fragment) error {
	m := d.now
	d.session.count(m, part.Data, part.Last)
	if m.pass {
		if m.response && part.Last {
			if err := d.session.settle(m); err != nil {
				return err
			}
		}
		if err := d.pass(part); err != nil {
			return err
		}
	}
	if !part.Last {
		return nil
	}
	d.now = nil
	return d.done(m)
}

// done ends a message: what was refused is answered, what was answered is over.
func (d *direction) done(m *message) error {
	d.letGo()
	if !m.pass && m.op != nil {
		return d.refuse(m.op)
	}
	if m.response {
		d.session.over(m.op)
	}
	return nil
}

func (d *direction) pass(part fragment) error {
	d.out = part.appendPDU(d.out[:0])
	return d.to.write(d.out)
}

// letGo lets others write to the other end.
func (d *direction) letGo() {
	if d.held {
		d.held = false
		d.to.message.Unlock()
	}
	if cap(d.out) > readBuffer { // an idle association holds no large buffer
		d.out = nil
	}
}

// refuse answers a request that no rule allows, once that is on record.
func (d *direction) refuse(op *operation) error {
	s := d.session
	answer := op.request.answer(statusNotAuthorized)
	s.ops.passed(op, true, answer, true)
	r := s.ops.result(op, true)
	r.Status, r.End = statusNotAuthorized, s.link.Route.Now()
	if err := s.keep(op, r); err != nil {
		return err
	}
	d.from.message.Lock()
	defer d.from.message.Unlock()
	whole := fragment{Context: d.context, Command: true, Last: true, Data: answer}
	for _, part := range whole.split(d.fromLimit) {
		if err := d.from.write(part.appendPDU(nil)); err != nil {
			return err
		}
	}
	s.over(op)
	return nil
}
