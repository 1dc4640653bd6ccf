package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// stepLimit is what one step may take. Ten times less is usual.
const stepLimit = time.Minute

// Config says how to play.
type Config struct {
	// Program is the file of betonicad itself, which all processes are made of.
	Program string

	// Keep leaves everything running after the last step, until the context ends,
	// and the directory in its place after that.
	Keep bool

	// Out takes a line for each step, and the verdict as the last one.
	Out io.Writer

	// Notes takes everything else: how to play on, and what the processes logged if
	// a step differs.
	Notes io.Writer
}

// A step is one thing that is to be seen.
type step struct {
	name string
	play func(context.Context) (saw string, err error)
}

// Run plays all steps, and returns an error that names the first at which anything
// differs from what it should be. When it returns, every process that it started
// has ended, also if ctx ends early.
func Run(ctx context.Context, c Config) (err error) {
	dir, err := os.MkdirTemp("", "betonica-demo-")
	if err != nil {
		return err
	}
	s := &story{Config: c, dir: dir}
	defer func() {
		err = errors.Join(err, s.end())
		if !c.Keep {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	steps := s.steps()
	for i, step := range steps {
		fmt.Fprintf(c.Out, "%2d  %-35s  ", i+1, step.name)
		saw, err := s.play(ctx, step)
		if err != nil {
			fmt.Fprintf(c.Out, "DIFFERS: %v\ndemo: %d of %d steps as expected\n", err, i, len(steps))
			s.writeLogs()
			return fmt.Errorf("step %d, %s: %w", i+1, step.name, err)
		}
		fmt.Fprintln(c.Out, saw)
	}
	fmt.Fprintf(c.Out, "demo: %d of %d steps as expected\n", len(steps), len(steps))
	if c.Keep {
		return s.playOn(ctx)
	}
	return nil
}

// play plays one step, within its limit.
func (s *story) play(ctx context.Context, st step) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, stepLimit, fmt.Errorf("it took longer than %s", stepLimit))
	defer cancel()
	return st.play(ctx)
}
