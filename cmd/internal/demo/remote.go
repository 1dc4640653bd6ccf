package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os/exec"
	"path/filepath"
	"time"
)

// A remote is a machine as this process sees it: another process, that it speaks
// to over pipes. When this process ends, whichever way, the pipe does, and so does
// the machine.
type remote struct {
	*process
	Status
	setup Setup
	rpc   *rpc.Client
	heard int // events that were looked at
}

// newRemote starts a machine's process. It is nothing yet.
func newRemote(program, dir, name string) (*remote, error) {
	cmd := exec.Command(program, "demo-peer")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p, err := launch(name, cmd, filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	return &remote{process: p, rpc: rpc.NewClient(pipes{out, in})}, nil
}

// pipes are the two directions of one connection.
type pipes struct {
	io.ReadCloser
	in io.WriteCloser
}

func (p pipes) Write(b []byte) (int, error) { return p.in.Write(b) }
func (p pipes) Close() error                { return errors.Join(p.in.Close(), p.ReadCloser.Close()) }

// ask has a method of the machine called.
func (r *remote) ask(ctx context.Context, method string, in, out any) error {
	call := r.rpc.Go("Machine."+method, in, out, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if call.Error == nil {
		return nil
	}
	if _, said := errors.AsType[rpc.ServerError](call.Error); !said { // the pipe broke
		select {
		case <-r.exited:
			return r.failure()
		case <-time.After(grace):
		}
	}
	return fmt.Errorf("%s: %w", r.name, call.Error)
}

// start makes the machine what it is to be. A refusal by the CA is no error.
func (r *remote) start(ctx context.Context, s Setup) error {
	r.setup = s
	return r.ask(ctx, "Start", s, &r.Status)
}

// call has the machine make one call.
func (r *remote) call(ctx context.Context, url string) (Answer, error) {
	var a Answer
	err := r.ask(ctx, "Call", url, &a)
	return a, err
}

// await returns the machine's next event for which want holds, and passes over
// those before it.
func (r *remote) await(ctx context.Context, within time.Duration, what string, want func(Event) bool) (Event, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("%s: no event %q within %s", r.name, what, within))
	defer cancel()
	for {
		var news []Event
		if err := r.ask(ctx, "Events", r.heard, &news); err != nil {
			return Event{}, err
		}
		for _, e := range news {
			r.heard++
			if want(e) {
				return e, nil
			}
		}
	}
}
