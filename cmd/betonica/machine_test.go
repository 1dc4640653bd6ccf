package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
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
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "exit status 3: oops")
	require.Contains(t, r.stderr, "next:  mend what failed")
	require.Contains(t, x.ok("check", dir), "state       valid\n")
	require.Contains(t, x.ok("check", dir), "agent       rollback: /bin/sh: exit status 3: oops; tried again ")
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
	require.Eventually(t, func() bool { r = x.run("renew", "--dir", dir); return r.code == exitDenied }, 5*time.Second, 50*time.Millisecond)
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

// A machine without a token shows a code, waits for a person, and needs to know its CA
// by something.
func TestAsk(t *testing.T) {
	x, ca, dir := newTool(t), catest.New(t), filepath.Join(t.TempDir(), "m")
	ask := []string{"enroll", "--url", ca.URL, "--ask", "--role", "device", "--out", dir}
	r := x.run(ask...)
	require.Equal(t, exitUsage, r.code)
	require.Contains(t, r.stderr, "--root")
	require.Equal(t, exitUsage, x.run(append(ask, "--root-sha256", "12ab")...).code)

	root := filepath.Join(t.TempDir(), "root.crt")
	require.NoError(t, os.WriteFile(root, []byte(catest.PEM(ca.Root)), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan result)
	go func() { done <- x.runContext(ctx, append(ask, "--root", root)...) }()
	require.Eventually(t, func() bool { return len(ca.Asking()) == 1 }, 30*time.Second, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "state.json"))
		return strings.Contains(string(text), `"pending"`)
	}, 30*time.Second, 10*time.Millisecond)
	code := ca.Asking()[0].Code
	cancel()
	r = <-done
	require.Equal(t, exitCancelled, r.code, r.stderr)
	require.Contains(t, r.stderr, "code "+code)

	ca.Approve(code, "device/SN-3")
	require.Contains(t, x.ok(append(ask, "--root", root)...), "spiffe://hospital.example/device/SN-3") // the same request
	require.Contains(t, x.ok("check", dir), "agent       active\n")
}

// A machine gets its own certificate for the one that its maker gave it.
func TestBirthCertificate(t *testing.T) {
	x, ca, dir := newTool(t), catest.New(t), t.TempDir()
	birth := catest.NewIssuer(t, "maker.example").Certificate(t, "pump/77", nil)
	ca.Birth(birth.Leaf, "device/SN-77")
	key, err := x509.MarshalPKCS8PrivateKey(birth.PrivateKey)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"crt": catest.PEM(birth.Leaf), "key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	sum := sha256.Sum256(ca.Root.Raw)
	enroll := []string{"enroll", "--url", ca.URL, "--root-sha256", hex.EncodeToString(sum[:]), "--out", filepath.Join(dir, "m"), "--birth-cert", filepath.Join(dir, "crt")}
	require.Equal(t, exitUsage, x.run(enroll...).code)
	enroll = append(enroll, "--birth-key", filepath.Join(dir, "key"))
	first := x.ok(enroll...)
	require.Contains(t, first, "spiffe://hospital.example/device/SN-77")
	require.Equal(t, first, x.ok(enroll...)) // it is there
	require.Len(t, ca.Issued(), 1)
}
