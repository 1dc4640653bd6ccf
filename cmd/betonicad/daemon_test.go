package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

const trustDomain = "test.example"

// patience bounds every wait of these tests; nothing waits that long unless
// something is broken.
const patience = 60 * time.Second

// A daemon is a running betonicad, on ports that the kernel chose.
type daemon struct {
	addresses
	dir    string
	pid    int // of betonicad itself, whatever it was started by
	log    logFile
	exited chan struct{} // closed once the process is gone; err is then set
	err    error
}

// addresses is what the daemon writes to the file of its --ready flag.
type addresses struct {
	HTTPS  string `json:"https"`
	HTTP   string `json:"http"`
	Ops    string `json:"ops"`
	Socket string `json:"socket"`
}

// newCA makes a CA in a folder of its own and returns the folder.
func newCA(t testing.TB, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	run(t, "betonicad", append([]string{"init", "--dir", dir, "--trust-domain", trustDomain}, args...)...)
	return dir
}

// serve starts the daemon of the CA in dir, and ends it with the test.
func serve(t testing.TB, dir string, wrapper ...string) *daemon {
	t.Helper()
	d, err := startAt(dir, anywhere, wrapper...)
	require.NoError(t, err)
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", d.log.tail())
		}
	})
	return d
}

// anywhere is addresses that the kernel completes.
var anywhere = addresses{HTTPS: "127.0.0.1:0", HTTP: "127.0.0.1:0", Ops: "127.0.0.1:0"}

// start starts the daemon and returns once it answers.
func start(dir string) (*daemon, error) { return startAt(dir, anywhere) }

// startAt is start at these addresses, as the last arguments of wrapper if there
// is one.
func startAt(dir string, at addresses, wrapper ...string) (*daemon, error) {
	ready := filepath.Join(filepath.Dir(dir), "ready.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	cmd, err := command("betonicad", "serve", "--dir", dir, "--ready", ready,
		"--https", at.HTTPS, "--http", at.HTTP, "--ops", at.Ops)
	if err != nil {
		return nil, err
	}
	if len(wrapper) > 0 {
		wrapped := exec.Command(wrapper[0], append(wrapper[1:], cmd.Args...)...)
		wrapped.Env = cmd.Env
		cmd = wrapped
	}
	log, err := newLogFile()
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, log: log, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log.File, log.File
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	d.pid = cmd.Process.Pid
	go func() {
		d.err = cmd.Wait()
		close(d.exited)
	}()
	if err := d.await(ready); err != nil {
		d.kill()
		return nil, fmt.Errorf("starting the daemon: %w\n%s", err, d.log.tail())
	}
	if len(wrapper) > 0 {
		d.pid = childrenOf(cmd.Process.Pid)[0]
	}
	return d, nil
}

// await returns once the ready file is there and whole.
func (d *daemon) await(file string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		select {
		case <-d.exited:
			return fmt.Errorf("it ended: %w", d.err)
		case <-deadline:
			return errors.New("it is not ready")
		case <-tick.C:
			text, err := os.ReadFile(file)
			if err == nil && json.Unmarshal(text, &d.addresses) == nil {
				return nil
			}
		}
	}
}

// signal sends a signal unless the process is gone, and its id somebody else's.
func (d *daemon) signal(s syscall.Signal) {
	select {
	case <-d.exited:
	default:
		syscall.Kill(d.pid, s)
	}
}

// kill ends the daemon as a power cut would, as far as a process can tell.
func (d *daemon) kill() {
	d.signal(syscall.SIGKILL)
	<-d.exited
}

// stop asks the daemon to end, and reports how it did.
func (d *daemon) stop() error {
	d.signal(syscall.SIGTERM)
	select {
	case <-d.exited:
		return d.err
	case <-time.After(patience):
		d.kill()
		return errors.New("the daemon does not stop")
	}
}

// admin returns a client of the daemon's socket.
func (d *daemon) admin(t testing.TB) *adminapi.Client {
	c := adminapi.Unix(d.Socket)
	t.Cleanup(c.Close)
	return c
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
