package agent_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// A story is what a machine does, step by step; a step that crashes is done again.
type story struct {
	t     *testing.T
	ca    *catest.Server
	conf  agent.Config // but for Dir
	steps []func(agent.Config) error
	from  int // the first step to crash in: those before are another story's
	keys  int // how many keys the CA may see
}

// renewed enrols, and renews twice.
func renewed(s *story) {
	token := s.ca.Token("device", "SN-1")
	s.steps = []func(agent.Config) error{
		func(c agent.Config) error { return enrollWith(s.t.Context(), c, token) }, renewOnce(s.t.Context()), renewOnce(s.t.Context()),
	}
	s.keys = 3
}

// rolledBack has a renewal that the program does not take, and then does.
func rolledBack(s *story) {
	renewed(s)
	renew, exec := s.steps[1], func(name string, f func(agent.Config) error) func(agent.Config) error {
		return func(c agent.Config) error {
			c.Exec = []string{name}
			err := f(c)
			if _, ok := errors.AsType[*agent.HeldError](err); ok && name == "/bin/false" {
				return nil
			}
			return err
		}
	}
	s.steps = []func(agent.Config) error{exec("/bin/true", s.steps[0]), exec("/bin/false", renew), exec("/bin/true", renew)}
	s.from, s.keys = 1, 5 // what is tried again renews what is held back
}

// asked waits for a person.
func asked(s *story) {
	ask := func(c agent.Config) error {
		ctx, cancel := context.WithCancel(s.t.Context())
		c.Events = func(e agent.Event) {
			if e.Kind == agent.Waiting {
				cancel()
			}
		}
		_, err := agent.EnrollWith(ctx, c, agent.Proof{Ask: true, Root: rootOf(s.ca.Issuer)})
		return err
	}
	s.steps = []func(agent.Config) error{
		func(c agent.Config) error {
			if err := ask(c); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("did not wait: %w", err)
			}
			return nil
		},
		func(c agent.Config) error {
			require.LessOrEqual(s.t, len(s.ca.Asking()), 1)
			for _, a := range s.ca.Asking() {
				s.ca.Approve(a.Code, "device/SN-1")
			}
			return ask(c)
		},
	}
	s.keys = 1
}

// late renews once its certificate, whose key is in a chip, has run out.
func late(s *story) {
	renewed(s)
	s.ca.Grace = 24 * time.Hour
	s.conf.Keys = new(chip)
	renew := s.steps[1]
	s.steps[2] = func(c agent.Config) error {
		if now, err := agent.Load(c.Dir); err == nil && time.Now().Before(now.NotAfter()) {
			time.Sleep(time.Until(now.NotAfter()) + time.Second)
		}
		return renew(c)
	}
	s.from, s.keys = 2, 4
}
