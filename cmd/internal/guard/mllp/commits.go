package mllp

import "slices"

// commits follow MLLP release 2, where each side says of every block that it has it, or
// has not, before anything else. In release 1 nothing of the kind comes, and what is
// here is forgotten by and by.
type commits struct {
	messages []*exchange // that went to the target, and that it has not committed
	answers  []bool      // that went to the caller, which it has not committed: whether each was the guard's own
}

// expect notes a message that went to the target.
func (c *commits) expect(e *exchange) { c.messages = keep(c.messages, e) }

// answered notes an answer that went to the caller. What was answered is not committed
// any more.
func (c *commits) answered(e *exchange, own bool) {
	c.answers = keep(c.answers, own)
	c.drop(e)
}

func (c *commits) drop(e *exchange) {
	if i := slices.Index(c.messages, e); i >= 0 {
		c.messages = slices.Delete(c.messages, i, i+1)
	}
}

var errCommit = &FrameError{"a commit block where nothing is to be committed"}

// commitFromCaller passes on what the caller says of an answer, if the answer was the
// target's.
func (s *session) commitFromCaller(code byte) error {
	s.mu.Lock()
	if len(s.commits.answers) == 0 {
		s.mu.Unlock()
		return side("caller", errCommit)
	}
	own := s.commits.answers[0]
	s.commits.answers = slices.Delete(s.commits.answers, 0, 1)
	s.mu.Unlock()
	if own {
		return nil
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.writeTarget(commitBlock(code)); err != nil {
		err = side("target", err)
		s.closeTargetAs(err)
		return err
	}
	return nil
}

func commitBlock(code byte) []byte { return []byte{startBlock, code, endBlock, carriageReturn} }
