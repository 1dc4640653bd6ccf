package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	*process
	dir string
}

// addresses is what the daemon writes to the file of its --ready flag.
type addresses struct {
	HTTPS  string `json:"https"`
	HTTP   string `json:"http"`
	EST    string `json:"est"` // empty: as configured
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
//
// A port that the kernel gave once may meanwhile be that of somebody's connection: it is
// waited for.
func startAt(dir string, at addresses, wrapper ...string) (*daemon, error) {
	for until := time.Now().Add(patience); ; {
		d, err := tryStart(dir, at, wrapper...)
		if err == nil || !strings.Contains(err.Error(), "address already in use") || time.Now().After(until) {
			return d, err
		}
	}
}

func tryStart(dir string, at addresses, wrapper ...string) (*daemon, error) {
	ready := filepath.Join(filepath.Dir(dir), "ready.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	cmd, err := command("betonicad", "serve", "--dir", dir, "--ready", ready,
		"--https", at.HTTPS, "--http", at.HTTP, "--est", at.EST, "--ops", at.Ops)
	if err != nil {
		return nil, err
	}
	if len(wrapper) > 0 {
		wrapped := exec.Command(wrapper[0], append(wrapper[1:], cmd.Args...)...)
		wrapped.Env = cmd.Env
		cmd = wrapped
	}
	p, err := begin(cmd)
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, process: p}
	if err := d.await(ready, &d.addresses); err != nil {
		d.kill()
		return nil, fmt.Errorf("starting the daemon: %w\n%s", err, d.log.tail())
	}
	if len(wrapper) > 0 {
		d.pid = childrenOf(cmd.Process.Pid)[0]
	}
	return d, nil
}

// admin returns a client of the daemon's socket.
func (d *daemon) admin(t testing.TB) *adminapi.Client {
	c := adminapi.Unix(d.Socket)
	t.Cleanup(c.Close)
	return c
}
