package main

import (
	"bytes"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A machine is one that has curl and openssl, and nothing of ours.
type machine struct {
	t    *testing.T
	d    *running
	dir  string
	root string // file
}

func newMachine(t *testing.T, d *running) *machine {
	return &machine{t, d, t.TempDir(), d.dir + ".root/root.pem"}
}

func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }

// csr makes a key and a CSR for it.
func (m *machine) csr(name string, args ...string) (key, csr string) {
	m.t.Helper()
	key, csr = m.file(name+".key"), m.file(name+".csr")
	command(m.t, "openssl", append([]string{"req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc",
		"-keyout", key, "-out", csr, "-subj", "/"}, args...)...)
	return key, csr
}

// curl sends a request to the daemon, and returns the answer's status and body.
func (m *machine) curl(path string, args ...string) (status, body string) {
	m.t.Helper()
	out := command(m.t, "curl", append([]string{"-sS", "--cacert", m.root, "-w", "\n%{http_code}", "https://" + m.d.HTTPS + path}, args...)...)
	i := strings.LastIndexByte(out, '\n')
	return out[i+1:], out[:i]
}

// enrol gets a certificate for name, and returns the files of chain and key.
func (m *machine) enrol(role, name string, args ...string) (chain, key string) {
	m.t.Helper()
	token, err := m.d.CreateToken(m.t.Context(), adminapi.TokenRequest{Role: role, Name: name})
	require.NoError(m.t, err)
	key, csr := m.csr(name, args...)
	status, body := m.curl("/v1/enroll", "-H", "Authorization: Bearer "+token.Secret, "--data-binary", "@"+csr)
	require.Equal(m.t, "201", status, body)
	chain = m.file(name + ".pem")
	require.NoError(m.t, os.WriteFile(chain, []byte(body), 0o600))
	return chain, key
}

// A machine enrols with a raw CSR and gets a PEM chain, that openssl trusts under
// the root; renews with it over mutual TLS; and says that the new one is in use.
// All of it is in a log that verifies while the daemon runs, and after.
func TestServe(t *testing.T) {
	t.Parallel()
	d := start(t, newCA(t))
	info, err := os.Stat(d.Socket)
	require.NoError(t, err)
	require.Equal(t, os.ModeSocket|0o600, info.Mode())

	m := newMachine(t, d)
	chain, key := m.enrol("device", "SN-1")
	command(t, "openssl", "verify", "-CAfile", m.root, "-untrusted", chain, chain)
	text := command(t, "openssl", "x509", "-in", chain, "-noout", "-text")
	require.Contains(t, text, "URI:spiffe://hospital.example/device/SN-1")
	_, port, err := net.SplitHostPort(d.HTTP)
	require.NoError(t, err)
	require.Contains(t, text, "http://localhost:"+port+"/ca/", "by the first name and the real port")

	nextKey, csr := m.csr("next")
	status, body := m.curl("/v1/renew", "--cert", chain, "--key", key, "--data-binary", "@"+csr)
	require.Equal(t, "201", status, body)
	next := m.file("next.pem")
	require.NoError(t, os.WriteFile(next, []byte(body), 0o600))
	command(t, "openssl", "verify", "-CAfile", m.root, "-untrusted", next, next)
	status, _ = m.curl("/v1/confirm", "--cert", next, "--key", nextKey, "-X", "POST")
	require.Equal(t, "204", status)

	// What the certificate points to is there.
	issuer := command(t, "curl", "-sSf", "http://"+d.HTTP+strings.SplitAfter(strings.Fields(text[strings.Index(text, "CA Issuers"):])[3], port)[1])
	block, _ := pem.Decode([]byte(body[strings.LastIndex(body, "-----BEGIN"):]))
	require.Equal(t, block.Bytes, []byte(issuer))
	require.Equal(t, "ok\n", command(t, "curl", "-sS", "http://"+d.Ops+"/readyz"))

	report, _, err := try(t, "audit", "verify", "--dir", d.dir)
	require.NoError(t, err)
	require.Contains(t, report, "verified")
	require.NoError(t, d.stop())
	report, _, err = try(t, "audit", "verify", "--dir", d.dir)
	require.NoError(t, err)
	require.NotContains(t, report, "not under a checkpoint", "a daemon that stops signs its log to the end")
	require.NotContains(t, d.log.String(), "ERROR")

	again := start(t, d.dir)
	require.NotEqual(t, d.HTTPS+d.HTTP, again.HTTPS+again.HTTP)
	_, err = again.Status(t.Context())
	require.NoError(t, err)
}

// The daemon's names are its own: no machine gets one, but the loopback, which is
// everybody's.
func TestOwnNames(t *testing.T) {
	t.Parallel()
	d := start(t, newCA(t, "--dns", "ca.hospital.example"))
	m := newMachine(t, d)
	m.enrol("service", "web", "-addext", "subjectAltName=DNS:localhost")

	token, err := d.CreateToken(t.Context(), adminapi.TokenRequest{Role: "gateway", Name: "gw-1"})
	require.NoError(t, err)
	_, csr := m.csr("gw-1", "-addext", "subjectAltName=DNS:ca.hospital.example")
	status, body := m.curl("/v1/enroll", "-H", "Authorization: Bearer "+token.Secret, "--data-binary", "@"+csr)
	require.Equal(t, "409", status, body)

	// They are still its own when they stand in another order.
	require.NoError(t, d.stop())
	c := layout(d.dir).config()
	text, err := os.ReadFile(c)
	require.NoError(t, err)
	text = bytes.Replace(text, []byte(`names = ["ca.hospital.example", "localhost"`), []byte(`names = ["localhost", "ca.hospital.example"`), 1)
	require.NoError(t, os.WriteFile(c, text, 0o600))
	start(t, d.dir)
}

// The policy file is loaded when it changes and on SIGHUP; one with a mistake
// changes nothing.
func TestPolicyReload(t *testing.T) {
	d := start(t, newCA(t))
	write := func(text string) { require.NoError(t, os.WriteFile(layout(d.dir).policy(), []byte(text), 0o600)) }
	version := func() int64 {
		p, err := d.Policy(t.Context())
		require.NoError(t, err)
		return p.Version
	}
	const patience, tick = 30 * time.Second, 5 * time.Millisecond
	write("[role.pump]\n")
	require.Eventually(t, func() bool { return version() == 2 }, patience, tick, "the file has changed")

	// A change that neither size nor time of the file give away.
	hangUp := func(text string) {
		info, err := os.Stat(layout(d.dir).policy())
		require.NoError(t, err)
		require.Len(t, text, int(info.Size()))
		write(text)
		require.NoError(t, os.Chtimes(layout(d.dir).policy(), info.ModTime(), info.ModTime()))
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	}
	hangUp("[role.pump}\n")
	require.Eventually(t, func() bool { return strings.Contains(d.log.String(), "policy.toml:1:11") }, patience, tick)
	require.Equal(t, int64(2), version())
	hangUp("[role.door]\n")
	require.Eventually(t, func() bool { return version() == 3 }, patience, tick)
}

// A daemon that is told to stop under load loses nothing: every certificate that
// a machine holds is on record, and the log adds up.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	d := start(t, newCA(t))
	held := make(chan string, 10_000)
	done := make(chan struct{})
	for range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				// A token is a write as any other; its record is what is looked for.
				token, err := d.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-*"})
				if err != nil {
					return
				}
				held <- token.ID
			}
		}()
	}
	require.Eventually(t, func() bool { return len(held) >= 50 }, time.Minute, time.Millisecond)
	begin := time.Now()
	require.NoError(t, d.stop())
	require.Less(t, time.Since(begin), 20*time.Second)
	for range 4 {
		<-done
	}
	close(held)
	again := start(t, d.dir)
	known := map[string]bool{}
	for token, err := range adminapi.All(t.Context(), again.tokens) {
		require.NoError(t, err)
		known[token.ID] = true
	}
	for id := range held {
		require.True(t, known[id], "token %s was made, and is not on record", id)
	}
	_, _, err := try(t, "audit", "verify", "--dir", d.dir)
	require.NoError(t, err)
}
