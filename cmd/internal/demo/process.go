package demo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long a process may take to end well before it is killed.
const grace = 10 * time.Second

// A process is one that we started, and end.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    string        // file with what it writes to standard error
	exited chan struct{} // closed once it is gone; err is then set
	err    error
}

// launch starts cmd in a process group of its own: an interrupt that is typed
// reaches this process alone, which ends the others in order.
func launch(name string, cmd *exec.Cmd, log string) (*process, error) {
	file, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the process has its own
	cmd.Stderr = file
	cmd.Env = environment(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd, log: log, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// environment leaves out what is meant for another betonicad on this machine.
func environment(all []string) []string {
	var kept []string
	for _, v := range all {
		if !strings.HasPrefix(v, "BETONICA_") && !strings.HasPrefix(v, "CREDENTIALS_DIRECTORY=") {
			kept = append(kept, v)
		}
	}
	return kept
}

// running reports whether the process is still there.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop asks the process to end and waits until it is gone. One that does not end
// is killed, and that is an error.
func (p *process) stop() error {
	p.terminate()
	return p.wait()
}

// terminate asks the process to end.
func (p *process) terminate() {
	p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it is gone
}

// wait waits until the process is gone.
func (p *process) wait() error {
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("%s: %w", p.name, p.err)
		}
		return nil
	case <-time.After(grace):
		p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s did not end within %s, and was killed", p.name, grace)
	}
}

// failure says how the process ended, with the last line that it wrote.
func (p *process) failure() error {
	err := p.err
	if err == nil {
		err = errors.New("it ended")
	}
	return fmt.Errorf("%s: %w: %s", p.name, err, strings.Join(p.tail(1), ""))
}

// tail returns the last lines of the process's log.
func (p *process) tail(n int) []string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []string{err.Error()}
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[max(0, len(lines)-n):]
}
