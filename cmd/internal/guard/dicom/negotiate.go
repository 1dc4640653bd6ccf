package dicom

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

var errNoRule = errors.New("no rule allows it")

// ask asks the rules about something that the caller does.
func (s *session) ask(step allow.Step, class, command string) (rule string, outcome record.Outcome) {
	return s.link.Decide(&allow.Request{
		Kind: allow.DICOM, Step: step, Calling: s.asked.Calling, Called: s.asked.Called, SOPClass: class, Command: command,
	})
}

// decide judges the titles and each presentation context, and leaves in proposed what
// goes to the target.
func (s *session) decide() *no {
	if _, outcome := s.ask(allow.Announce, "", ""); outcome == record.Refused {
		return &no{rejectCalling.pdu(), record.Refused, errors.New("calling AE title is not allowed"), false}
	}
	r := &s.association
	if r.Rule, r.Outcome = s.ask(allow.Associate, "", ""); r.Outcome == record.Refused {
		return &no{rejectCalled.pdu(), record.Refused, errors.New("called AE title is not allowed"), false}
	}
	proposed := *s.asked
	proposed.Contexts = nil
	var refused []string
	for _, c := range s.asked.Contexts {
		switch _, outcome := s.ask(allow.Propose, c.Abstract, ""); outcome {
		case record.Refused:
			if !slices.Contains(refused, c.Abstract) {
				refused = append(refused, c.Abstract)
			}
			continue
		case record.Observed:
			r.Rule, r.Outcome = "", outcome
		}
		proposed.Contexts = append(proposed.Contexts, c)
	}
	if r.Outcome == record.Observed {
		r.Reason = errNoRule.Error()
	}
	proposed.User = s.asked.User.without(func(class string) bool { return !slices.Contains(refused, class) })
	s.proposed = &proposed
	if len(proposed.Contexts) == 0 {
		return &no{rejectUser.pdu(), record.Refused, fmt.Errorf("no SOP class is allowed: %s", strings.Join(refused, " ")), false}
	}
	if len(refused) > 0 {
		return s.keepRefused(refused)
	}
	return nil
}

// keepRefused puts down which SOP classes were taken out of an association that comes
// about without them.
func (s *session) keepRefused(classes []string) *no {
	r := s.association
	r.Operation, r.Resource, r.Rule = "propose", strings.Join(classes, " "), ""
	r.Outcome, r.Reason, r.End = record.Refused, errNoRule.Error(), s.link.Route.Now()
	if s.link.Keep(s.kept, r) != nil {
		return &no{pdu: rejectCongestion.pdu(), kept: true}
	}
	return nil
}

// negotiate asks the target for what is allowed, and answers the caller.
func (s *session) negotiate() *no {
	fail := func(pdu []byte, err error) *no { return &no{pdu, record.Failed, err, false} }
	if err := s.target.write(s.proposed.pdu(typeAssociateRQ)); err != nil {
		return fail(rejectCongestion.pdu(), err)
	}
	s.target.within(s.artim)
	h, err := readHeader(s.target.r)
	if err == nil && h.Type != typeAssociateAC && h.Type != typeAssociateRJ && h.Type != typeAbort {
		err = unexpected("PDU of type %#02x for an answer", byte(h.Type))
	}
	var body []byte
	if err == nil {
		body, err = h.body(s.target.r)
	}
	if err != nil {
		return fail(noAnswer(err).pdu(), s.answerFault(err))
	}
	s.target.within(0)
	switch h.Type {
	case typeAssociateAC:
		if s.granted, err = s.answer(body); err != nil {
			return fail(rejectNoReason.pdu(), s.answerFault(err))
		}
	case typeAssociateRJ:
		return fail(frame(h.Type, body), fmt.Errorf("target: rejects: result %d, source %d, reason %d", body[1], body[2], body[3]))
	case typeAbort:
		aborted := &abortedError{s.target, frame(h.Type, body)}
		return fail(aborted.pdu, s.target.failed(aborted))
	}
	if err := s.caller.write(s.reply().pdu(typeAssociateAC)); err != nil {
		s.target.last(abortUnspecified.pdu())
		return fail(nil, err)
	}
	return nil
}

// noAnswer is what the caller is told when the target does not answer, or does not do so
// in DICOM.
func noAnswer(err error) rejection {
	if asFault(err) != nil {
		return rejectNoReason
	}
	return rejectCongestion
}

// answerFault is what the target did wrong, which is told.
func (s *session) answerFault(err error) error {
	if fault := asFault(err); fault != nil {
		s.target.last(fault.abort.pdu())
		return &gate.Fault{Side: s.target.name, Err: err}
	}
	return s.target.failed(err)
}

// answer reads the target's A-ASSOCIATE-AC, which must answer what was proposed and
// nothing else.
func (s *session) answer(body []byte) (*association, error) {
	a, err := parseAssociation(typeAssociateAC, body)
	if err != nil {
		return nil, err
	}
	for _, c := range a.Contexts {
		p := s.proposed.context(c.ID)
		if p == nil || c.Result == accepted && !slices.Contains(p.Transfers, c.Transfers[0]) {
			return nil, malformed("answer to presentation context %d, which was not proposed so", c.ID)
		}
	}
	for _, c := range s.proposed.Contexts {
		if a.context(c.ID) == nil {
			return nil, malformed("no answer to presentation context %d", c.ID)
		}
	}
	return a, nil
}

// reply is the answer for the caller: the target's, with the contexts that the rules
// took out as rejected by the user (PS3.8, Table 9-18: result 1). "Abstract syntax not
// supported" (3) would be untrue, and send whoever looks for the cause to the archive.
func (s *session) reply() *association {
	a := *s.granted
	a.Called, a.Calling, a.Contexts = s.asked.Called, s.asked.Calling, nil
	for _, c := range s.asked.Contexts {
		if got := s.granted.context(c.ID); got != nil {
			a.Contexts = append(a.Contexts, *got)
		} else {
			a.Contexts = append(a.Contexts, presentation{ID: c.ID, Result: userRejection})
		}
	}
	for i := range a.Contexts { // a syntax is not significant, but Table 9-18 has one
		if c := &a.Contexts[i]; len(c.Transfers) == 0 {
			c.Transfers = s.asked.context(c.ID).Transfers[:1]
		}
	}
	return &a
}
