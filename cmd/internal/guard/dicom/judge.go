package dicom

import (
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// begin says what becomes of a message whose command set is c.
func (d *direction) begin(c command) (*message, error) {
	s := d.session
	switch {
	case c.Field.response():
		op := s.ops.find(opKey{!d.caller, c.ID})
		if op == nil || op.context != d.context || op.request.Field != c.Field.request() || op.record.Outcome == record.Refused {
			return nil, unexpected("response to %s, message ID %d, which was not asked for", c.Field, c.ID)
		}
		return &message{command: c, pass: true, op: op, response: c.final()}, nil
	case c.Field == cancel:
		if c.Data {
			return nil, malformed("C-CANCEL with a data set")
		}
		op := s.ops.find(opKey{d.caller, c.ID}) // goes with its request; that may be over by now
		return &message{command: c, pass: op != nil && op.context == d.context && op.record.Outcome != record.Refused}, nil
	}
	op, err := s.begin(d, c)
	if err != nil {
		return nil, err
	}
	return &message{command: c, pass: op.record.Outcome != record.Refused, op: op}, nil
}

// begin judges a request and enters it among the operations.
func (s *session) begin(d *direction, c command) (*operation, error) {
	r := s.link.Record(record.DICOM, record.Message)
	r.Operation, r.Resource = c.Field.String(), resource(c.Class)
	if c.To != "" {
		r.Resource += " to " + c.To
	}
	r.Called, r.Calling = s.asked.Called, s.asked.Calling
	r.Rule, r.Outcome = s.judge(d, &c)
	switch {
	case r.Outcome == record.Allowed:
	case d.caller:
		r.Reason = errNoRule.Error()
	default:
		r.Reason = "the target asks, and no rule allows it"
	}
	onWire := d.caller == (s.link.Route.Side == record.Server) // the TLS connection is on the side it comes from
	r.Number = s.ops.number(d.caller, onWire || r.Outcome != record.Refused)
	r.Link, r.Key = s.bond.Link, s.bond.Key(r.Number)
	op := &operation{
		key: opKey{d.caller, c.ID}, request: c, context: d.context, record: r,
		asking: r.Key.Digest(record.ToTarget), saying: r.Key.Digest(record.FromTarget),
	}
	if err := s.link.Ready(s.kept); err != nil {
		return nil, errUnkept
	}
	return op, s.ops.add(op)
}

// judge asks the rules about a request. The SOP class of its presentation context must
// be allowed, and that of the command where it is another one: print management and
// others have several in one context.
//
// Rules are about the caller. What the target asks of the caller on the same
// association passes in two cases only: an N-EVENT-REPORT, where a rule names that
// command for the caller, and the C-STOREs within a C-GET that is under way, where a
// rule allows the caller C-GET on the class of what is sent.
func (s *session) judge(d *direction, c *command) (rule string, outcome record.Outcome) {
	name := c.Field.String()
	if !d.caller {
		switch {
		case s.link.Route.Rules == nil:
			return "", record.Allowed // the guard on the other side judges
		case c.Field == nEventReport:
		case c.Field == cStore && s.ops.retrieving():
			name = cGet.String()
		case s.link.Route.Observes():
			return "", record.Observed
		default:
			return "", record.Refused
		}
	}
	abstract := s.asked.context(d.context).Abstract
	rule, outcome = s.ask(allow.Perform, abstract, name)
	if outcome == record.Allowed && c.Class != abstract {
		rule, outcome = s.ask(allow.Perform, c.Class, name)
	}
	return rule, outcome
}

// count notes payload that is being passed on, or kept back.
func (s *session) count(m *message, b []byte, last bool) {
	if m.op != nil {
		s.ops.passed(m.op, m.command.Field.response(), b, last)
	}
}

// settle keeps the record of an operation whose last response is about to be passed on.
func (s *session) settle(m *message) error {
	r := s.ops.result(m.op, true)
	r.Status, r.End = int(m.command.Status), s.link.Route.Now()
	return s.keep(m.op, r)
}

// keep keeps the record that says how an operation ended. Where it cannot, the end of
// the association tries again.
func (s *session) keep(op *operation, r record.Record) error {
	if s.link.Keep(s.kept, r) != nil {
		return errUnkept
	}
	s.ops.settle(op)
	return nil
}

// over takes out an operation that is over and on record.
func (s *session) over(op *operation) {
	if s.ops.remove(op) && s.ending.draining.Load() {
		s.finish(errDraining)
	}
}
