package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

func tokenFile(t *testing.T, token api.JoinToken) string {
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte(token.String()+"\n"), 0o600))
	return path
}

// A machine enrols, is checked, renews when it is due and when it is told to;
// what it holds goes to stdout.
func TestMachine(t *testing.T) {
	x, ca, dir := newTool(t), catest.New(t), filepath.Join(t.TempDir(), "m")
	enroll := []string{"enroll", "--url", ca.URL, "--token-file", tokenFile(t, ca.Token("device", "SN-1")), "--out", dir}
	first := x.run(enroll...)
	require.Zero(t, first.code, first.stderr)
	require.Empty(t, first.stderr)
	require.Regexp(t, `^identity +spiffe://hospital.example/device/SN-1\nserial +[0-9a-f]{32}\nnot after +.*\(in 23 h\)\nrenew after .*\nin +.*/m/current\n$`, first.stdout)
	require.Equal(t, first.stdout, x.ok(enroll...)) // again, and nothing happens
	require.Len(t, ca.Issued(), 1)

	require.Contains(t, x.ok("check", dir), "state       valid\n")
	require.Contains(t, x.ok("renew", "--dir", dir, "--if-due"), "not due yet")
	hook := filepath.Join(t.TempDir(), "hook")
	var got holding
	require.NoError(t, json.Unmarshal([]byte(x.ok("renew", "--dir", dir, "--exec", "echo $BETONICA_SERIAL > "+hook, "-o", "json")), &got))
	require.Equal(t, 2, got.Generation)
	require.True(t, *got.Renewed)
	text, err := os.ReadFile(hook)
	require.NoError(t, err)
	require.Equal(t, got.Serial+"\n", string(text))

	r := x.run("renew", "--dir", dir, "--exec", "echo oops; exit 3")
	require.Zero(t, r.code) // it is renewed
	require.Contains(t, r.stderr, "exit status 3: oops")
}

// A token comes from stdin or from systemd, and the settings from the
// environment or a file; a flag goes before both.
func TestSettings(t *testing.T) {
	x, ca := newTool(t), catest.New(t)
	dir := t.TempDir()
	x.stdin = ca.Token("device", "SN-1").String()
	x.ok("enroll", "--url", ca.URL, "--token-file", "-", "--out", filepath.Join(dir, "1"))

	x.vars["CREDENTIALS_DIRECTORY"] = dir
	require.NoError(t, os.WriteFile(filepath.Join(dir, "betonica.token"), []byte(ca.Token("device", "SN-2").String()), 0o600))
	x.vars["BETONICA_URL"] = ca.URL
	x.ok("enroll", "--out", filepath.Join(dir, "2"))

	conf := filepath.Join(dir, "config.toml")
	require.NoError(t, os.WriteFile(conf, []byte("url = 'https://127.0.0.1:1'\ndir = '"+filepath.Join(dir, "2")+"'\noutput = 'json'\n"), 0o600))
	require.True(t, json.Valid([]byte(x.ok("renew", "--config", conf)))) // the URL is the environment's, which is stronger
	require.NotContains(t, x.ok("renew", "--config", conf, "-o", "table"), "{")
	require.Equal(t, exitUnreachable, x.run("renew", "--config", conf, "--url", "https://127.0.0.1:1").code)
	delete(x.vars, "BETONICA_URL")
	require.Equal(t, exitUnreachable, x.run("renew", "--config", conf).code)
	require.Zero(t, x.run("version", "--config", conf).code) // which has no --url

	for text, want := range map[string]string{
		"url = 'a'\nurk = 'b'\n":     `config.toml:2: unknown setting "urk"`,
		"[server]\nname = 'x'\n":     `config.toml:`,
		"url = \n":                   `config.toml:1:`,
		"output = 'yaml'\n":          `output is "yaml"`,
		"exec-timeout = 'forever'\n": `exec-timeout is "forever"`,
	} {
		require.NoError(t, os.WriteFile(conf, []byte(text), 0o600))
		r := x.run("renew", "--config", conf)
		require.Equal(t, exitUsage, r.code, text)
		require.Contains(t, r.stderr, want)
	}
	x.vars = map[string]string{"BETONICA_CONFIG": filepath.Join(dir, "none")}
	require.Equal(t, exitFailed, x.run("version").code)

	// What to do is no setting.
	x.vars = map[string]string{"BETONICA_SOCKET": filepath.Join(dir, "s"), "BETONICA_ROLE": "device", "BETONICA_NAME": "x"}
	require.Equal(t, exitUsage, x.run("token", "create").code)
}

// Errors of the machine verbs have their exit code, the next command, and never
// the token.
func TestMachineErrors(t *testing.T) {
	x, ca := newTool(t), catest.New(t)
	dir := t.TempDir()
	bad := api.NewJoinToken(ca.Token("x", "y").Root)
	enroll := func(token string) result {
		x.stdin = token
		return x.run("enroll", "--url", ca.URL, "--token-file", "-", "--out", filepath.Join(dir, "m"))
	}
	r := enroll(bad.String())
	require.Equal(t, exitNotAllowed, r.code)
	require.Contains(t, r.stderr, "token unknown, expired or already used")
	require.Contains(t, r.stderr, "next:  ask the CA's operators for a new one: betonica token create")
	require.NotContains(t, r.stderr, strings.Split(bad.String(), ".")[1])

	r = enroll("bt1.half-a-secret")
	require.Equal(t, exitFailed, r.code)
	require.NotContains(t, r.stderr, "half")

	other := catest.New(t)
	r = enroll(other.Token("device", "SN-1").String())
	require.Equal(t, exitNotFound, r.code) // this CA has no such root

	x.stdin = ca.Token("device", "SN-1").String()
	require.Equal(t, exitUnreachable, x.run("enroll", "--url", "https://127.0.0.1:1", "--token-file", "-", "--out", dir).code)

	r = x.run("renew", "--dir", filepath.Join(dir, "none"))
	require.Equal(t, exitNotFound, r.code)
	require.Contains(t, r.stderr, "next:  betonica enroll")
	require.Equal(t, exitNotFound, x.run("agent", "--dir", dir).code)

	ca.Lock()
	ca.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != api.PathEnroll {
			return false
		}
		p := api.NewProblem(http.StatusTooManyRequests, api.ProblemRateLimited, "too many bad tokens")
		p.RetryAfter = 3 * time.Minute
		catest.Refuse(w, p)
		return true
	}
	ca.Unlock()
	r = enroll(ca.Token("device", "SN-1").String())
	require.Equal(t, exitUnreachable, r.code)
	require.Contains(t, r.stderr, "next:  try again in 3 min\n")

	ca.Lock()
	ca.Intercept = nil
	ca.Lifetime = time.Second
	ca.Unlock()
	x.stdin = ca.Token("device", "SN-1").String()
	x.ok("enroll", "--url", ca.URL, "--token-file", "-", "--out", dir)
	require.Eventually(t, func() bool { r = x.run("renew", "--dir", dir); return r.code == exitNotAllowed }, 5*time.Second, 50*time.Millisecond)
	require.Contains(t, r.stderr, "betonica token create --role device --name SN-1 --replace")
}

// The agent enrols, runs until it is told to stop, and that is no failure.
func TestAgent(t *testing.T) {
	x, ca, dir := newTool(t), catest.New(t), filepath.Join(t.TempDir(), "m")
	hook := filepath.Join(t.TempDir(), "hook")
	ctx, cancel := context.WithCancel(t.Context())
	x.vars["CREDENTIALS_DIRECTORY"] = t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(x.vars["CREDENTIALS_DIRECTORY"], "betonica.token"), []byte(ca.Token("device", "SN-1").String()), 0o600))
	done := make(chan result)
	go func() {
		done <- x.runContext(ctx, "agent", "--dir", dir, "--url", ca.URL, "--exec", "touch "+hook)
	}()
	require.Eventually(t, func() bool {
		for _, r := range ca.Issued() {
			if r.Confirmed {
				return true
			}
		}
		return false
	}, 10*time.Second, 10*time.Millisecond)
	cancel()
	r := <-done
	require.Zero(t, r.code, r.stderr)
	require.Empty(t, r.stdout)
	require.Contains(t, r.stderr, "msg=enrolled")
	require.FileExists(t, hook)
}
