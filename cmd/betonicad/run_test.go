package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// output keeps what a command writes; it may be read meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// try runs a command line in an empty environment. A daemon that starts where it
// should not is stopped after a minute.
func try(t *testing.T, args ...string) (stdout, stderr string, err error) {
	var out, errs output
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = run(ctx, environment{&out, &errs, func(string) string { return "" }}, args)
	return out.String(), errs.String(), err
}

// newCA makes a CA, and returns its folder.
func newCA(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	_, _, err := try(t, append([]string{"init", "--dir", dir, "--trust-domain", "hospital.example"}, args...)...)
	require.NoError(t, err)
	return dir
}

// A running daemon is one in this process, on free ports.
type running struct {
	adminapi.URLs
	*adminapi.Client
	dir  string
	log  *output
	stop func() error // ends it as SIGTERM does, and says how it ended
}

var freePorts = []string{"--https", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ops", "127.0.0.1:0"}

// start serves the CA of dir until the test ends.
func start(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready.json")
	r := &running{dir: dir, log: &output{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		env := environment{r.log, r.log, func(string) string { return "" }}
		done <- run(ctx, env, append(append([]string{"serve", "--dir", dir, "--ready", ready}, freePorts...), args...))
	}()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		require.NoError(t, r.stop())
		if t.Failed() {
			t.Logf("the daemon said:\n%s", r.log)
		}
	})
	deadline := time.After(time.Minute)
	for tick := time.Tick(2 * time.Millisecond); ; {
		text, err := os.ReadFile(ready)
		if err == nil {
			require.NoError(t, json.Unmarshal(text, &r.URLs))
			r.Client = adminapi.Unix(r.Socket)
			t.Cleanup(r.Client.Close)
			return r
		}
		select {
		case <-tick:
		case err := <-done:
			done <- err
			require.NoError(t, err)
			t.Fatal("the daemon ended before it was ready")
		case <-deadline:
			t.Fatal("the daemon is not ready")
		}
	}
}

// command runs a program of the system, as a witness, and returns what it wrote
// to stdout.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI leaves nothing out: %s is not installed", name)
		}
		t.Skipf("left out: %s is not installed", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s: %s%s", name, strings.Join(args, " "), out, &stderr)
	return string(out)
}

// A command line that makes no sense is told from a command that failed, and
// both say what is wrong.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, 0, ""},
		{[]string{"launch"}, 2, `no command "launch"`},
		{[]string{"audit", "list"}, 2, `no command "list"`},
		{[]string{"init"}, 2, "--dir"},
		{[]string{"init", "--dir", "/x"}, 2, "--trust-domain"},
		{[]string{"init", "--dri", "/x"}, 2, "--dri"},
		{[]string{"init", "ca"}, 2, `"ca"`},
		{[]string{"serve"}, 2, "--dir"},
		{[]string{"serve", "--dir", "/nonexistent"}, 1, "/nonexistent/betonica.toml"},
		{[]string{"audit", "verify"}, 2, "--dir"},
	} {
		_, _, err := try(t, tt.args...)
		require.Equal(t, tt.code, exitCode(err), "%q: %v", tt.args, err)
		if err != nil {
			require.Contains(t, err.Error(), tt.says)
		}
	}
}

// What the command line leaves out comes from the environment.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "ca")
	getenv := func(name string) string {
		return map[string]string{"BETONICA_DIR": dir, "BETONICA_TRUST_DOMAIN": "hospital.example", "BETONICA_CRITICAL_CONSTRAINTS": "perhaps"}[name]
	}
	env := environment{&output{}, &output{}, getenv}
	require.ErrorContains(t, run(t.Context(), env, []string{"init"}), "BETONICA_CRITICAL_CONSTRAINTS")
	require.NoError(t, run(t.Context(), env, []string{"init", "--critical-constraints=false"}))
	require.FileExists(t, layout(dir).config())
}

func (r *running) tokens(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Token], error) {
	return r.Client.Tokens(ctx, adminapi.TokenFilter{}, p)
}
