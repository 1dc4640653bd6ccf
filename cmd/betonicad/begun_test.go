package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// A process is a program of ours that a test has started.
type process struct {
	pid    int // of the program itself, whatever it was started by
	log    logFile
	exited chan struct{} // closed once the process is gone; err is then set
	err    error
}

// begin starts a program, which writes to the process's log.
func begin(cmd *exec.Cmd) (*process, error) {
	log, err := newLogFile()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log.File, log.File
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, log: log, exited: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// await returns once the ready file is there and whole, with what it says in at.
func (p *process) await(file string, at any) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		select {
		case <-p.exited:
			return fmt.Errorf("it ended: %w", p.err)
		case <-deadline:
			return errors.New("it is not ready")
		case <-tick.C:
			text, err := os.ReadFile(file)
			if err == nil && json.Unmarshal(text, at) == nil {
				return nil
			}
		}
	}
}

// signal sends a signal unless the process is gone, and its id somebody else's.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.exited:
	default:
		syscall.Kill(p.pid, s)
	}
}

// kill ends the process as a power cut would, as far as a process can tell.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// stop asks the process to end, and reports how it did.
func (p *process) stop() error {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return p.err
	case <-time.After(patience):
		p.kill()
		return errors.New("it does not stop")
	}
}

// A logFile takes what a process writes, without a hand of ours in between.
type logFile struct{ *os.File }

func newLogFile() (logFile, error) {
	f, err := os.CreateTemp("", "betonica-log")
	if err != nil {
		return logFile{}, err
	}
	return logFile{f}, os.Remove(f.Name())
}

// String returns what was written so far.
func (l logFile) String() string {
	text, err := io.ReadAll(io.NewSectionReader(l, 0, 1<<30))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}

// tail returns the last lines, which mostly say what went wrong.
func (l logFile) tail() string {
	lines := strings.Split(l.String(), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
