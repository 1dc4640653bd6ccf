package dicom

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// artim is the association request, reject and release timer (PS3.8, Section 9.1.5): how
// long a caller may take to ask for an association, and a target to answer.
const artim = 30 * time.Second

// A Gate lets through the associations and the operations on them that rules allow.
type Gate struct {
	// ARTIM replaces the 30 seconds that each end has for its part of the negotiation;
	// 0: it does not.
	ARTIM time.Duration
}

// Serve implements [gate.Gate].
func (g Gate) Serve(ctx context.Context, l *gate.Link) {
	s := &session{kept: context.WithoutCancel(ctx), link: l, artim: g.ARTIM, caller: newEnd("caller", l.Conn)}
	if s.artim == 0 {
		s.artim = artim
	}
	defer context.AfterFunc(ctx, s.caller.wake)()
	s.association = l.Record(record.DICOM, record.Association)
	s.association.Operation, s.association.Number = "open", "0"
	if no := s.open(ctx); no != nil {
		s.refuse(no)
		return
	}
	defer s.target.conn.Close()
	s.forget()
	s.relay(ctx)
}

// A session is one association, from the request to the end.
type session struct {
	kept   context.Context // for records: it outlives the connection
	link   *gate.Link
	artim  time.Duration
	caller *end
	target *end

	association record.Record
	asked       *association // by the caller
	proposed    *association // to the target: what is allowed of it
	granted     *association // by the target
	bond        record.Bond
	ops         operations

	ending
}

// forget lets go of what was negotiated and is of no use any more, which was up to 128 KiB
// of each end: an association may be idle for hours.
func (s *session) forget() {
	s.proposed = nil
	for _, a := range []*association{s.asked, s.granted} {
		a.User.parts = nil
		for i := range a.Contexts {
			a.Contexts[i].Transfers = nil
		}
	}
}

// A no is why there is no association, and what the caller is told.
type no struct {
	pdu     []byte // nil: nothing
	outcome record.Outcome
	err     error
	kept    bool // a record says so already, or none can
}

// open brings the association about: it returns nil when both ends have it.
func (s *session) open(ctx context.Context) *no {
	if no := s.read(); no != nil {
		return no
	}
	s.association.Called, s.association.Calling = s.asked.Called, s.asked.Calling
	if no := s.decide(); no != nil {
		return no
	}
	if err := s.link.Ready(ctx); err != nil {
		return &no{pdu: rejectCongestion.pdu(), kept: true}
	}
	t, err := s.link.Dial(ctx)
	if err != nil {
		return &no{rejectCongestion.pdu(), record.Failed, &gate.Fault{Side: "target", Err: err}, false}
	}
	s.target = newEnd("target", t.Conn)
	s.bond = s.link.Bond(t)
	s.association.Link = s.bond.Link
	if err := s.link.Keep(s.kept, s.association); err != nil {
		t.Close()
		return &no{pdu: rejectCongestion.pdu(), kept: true}
	}
	s.association.Operation = "close"
	stop := context.AfterFunc(ctx, s.target.wake)
	no := s.negotiate()
	if stop(); no != nil {
		t.Close()
	}
	return no
}

// read reads the caller's request.
func (s *session) read() *no {
	s.caller.within(s.artim)
	defer s.caller.within(0)
	h, err := readHeader(s.caller.r)
	if err == nil && h.Type != typeAssociateRQ {
		err = unexpected("PDU of type %#02x where an association is to be asked for", byte(h.Type))
	}
	var body []byte
	if err == nil {
		body, err = h.body(s.caller.r)
	}
	if err == nil {
		s.asked, err = parseAssociation(h.Type, body)
	}
	switch fault := asFault(err); {
	case err == nil:
		return nil
	case fault != nil && h.Type == typeAssociateRQ:
		return &no{fault.reject.pdu(), record.Refused, fault, false}
	case fault != nil:
		return &no{fault.abort.pdu(), record.Refused, fault, false}
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("no association was asked for within %s", s.artim)
	}
	return &no{nil, record.Failed, s.caller.failed(err), false}
}

// refuse keeps the record of an association that does not come about, and tells the
// caller. If there can be no record, the caller is told that it may come again.
func (s *session) refuse(n *no) {
	if !n.kept {
		r := s.association
		r.Outcome, r.Reason = n.outcome, ""
		if n.err != nil {
			r.Reason = n.err.Error()
		}
		if _, cut := s.link.Why(); cut {
			s.link.Ended(&r, nil)
		}
		r.End = s.link.Route.Now()
		if err := s.link.Keep(s.kept, r); err != nil && s.asked != nil {
			n.pdu = rejectCongestion.pdu()
		}
	}
	if n.pdu != nil {
		s.caller.last(n.pdu)
		s.caller.linger()
	}
}
