package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

const (
	trustDomain = "hospital.example"
	heartbeat   = time.Second
	maxAge      = 3 * time.Second
)

// An authority is a CA in a directory, and its daemon while that runs.
type authority struct {
	program string
	dir     string
	urls    adminapi.URLs // real addresses; those of the first run are kept
	*process
	admin *adminapi.Client
}

// create makes the CA. Its daemon will push a delta every second.
func (a *authority) create(ctx context.Context) error {
	_, err := a.run(ctx, "init", "--dir", a.dir, "--trust-domain", trustDomain, "--dns", "127.0.0.1")
	if err != nil {
		return err
	}
	file := filepath.Join(a.dir, "betonica.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	line := regexp.MustCompile(`(?m)^# heartbeat = .*$`)
	if !line.Match(text) {
		return fmt.Errorf("%s does not say what the heartbeat is", file)
	}
	return os.WriteFile(file, line.ReplaceAll(text, fmt.Appendf(nil, "heartbeat = %q", heartbeat)), 0o600)
}

// serve starts the daemon, hands its process to started, and returns once it
// answers: on free ports at first, then on the same ones, since certificates and
// machines know them.
func (a *authority) serve(ctx context.Context, started func(*process)) (err error) {
	ready := filepath.Join(filepath.Dir(a.dir), "ready.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if a.urls.HTTPS == "" {
		free := "127.0.0.1:0"
		a.urls = adminapi.URLs{HTTPS: free, HTTP: free, Ops: free}
	}
	cmd := exec.Command(a.program, "serve", "--dir", a.dir, "--ready", ready, "--https", a.urls.HTTPS, "--http", a.urls.HTTP, "--ops", a.urls.Ops)
	if a.process, err = launch("the CA", cmd, filepath.Join(filepath.Dir(a.dir), "ca.log")); err != nil {
		return err
	}
	started(a.process)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(ready)
		if err == nil {
			if err := json.Unmarshal(text, &a.urls); err != nil {
				return fmt.Errorf("%s: %w", ready, err)
			}
			a.admin = adminapi.Unix(a.urls.Socket)
			return nil
		}
		select {
		case <-tick.C:
		case <-a.exited:
			return a.failure()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// gone returns once nobody answers relying parties any more.
func (a *authority) gone(ctx context.Context) error {
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", a.urls.HTTP)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return nil
		}
		c.Close()
		time.Sleep(time.Millisecond)
	}
}

// url is where machines enrol.
func (a *authority) url() string { return "https://" + a.urls.HTTPS }

// verify checks the audit log as its operator does. A log that was tampered with
// is no error, but what verify says of it.
func (a *authority) verify(ctx context.Context) (sound bool, said string, err error) {
	said, err = a.run(ctx, "audit", "verify", "--dir", a.dir)
	if _, exited := errors.AsType[*exec.ExitError](err); exited && said != "" {
		return false, said, nil
	}
	return err == nil, said, err
}

// run runs a command to its end, and returns what it wrote to standard output.
func (a *authority) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Env = environment(os.Environ())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("betonicad %s: %w: %s", args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(bytes.TrimSpace(out)), err
}

// token makes a join token and leaves it in a file.
func (a *authority) token(ctx context.Context, file string, req adminapi.TokenRequest) error {
	made, err := a.admin.CreateToken(ctx, req)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(made.Secret+"\n"), 0o600)
}
