package guard_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// An oldPeer is a machine of IHE's: it has TLS 1.2, RSA, and files in PEM.
type oldPeer struct{ cert, key, chain, roots string }

func (w *world) oldPeer(who *peertest.Identity) oldPeer {
	w.Helper()
	dir := w.TempDir()
	write := func(name, kind string, ders ...[]byte) string {
		var text []byte
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		file := filepath.Join(dir, name)
		require.NoError(w, os.WriteFile(file, text, 0o600))
		return file
	}
	cert := who.Certificate()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(w, err)
	return oldPeer{
		cert: write("cert.pem", "CERTIFICATE", cert.Certificate[0]), chain: write("chain.pem", "CERTIFICATE", cert.Certificate[1]),
		key: write("key.pem", "PRIVATE KEY", key), roots: write("root.pem", "CERTIFICATE", w.ca.Root().Raw),
	}
}

// openssl returns how openssl is called as that machine, with one cipher suite of TLS 1.2.
func (o oldPeer) openssl(ctx context.Context, verb, suite string, args ...string) *exec.Cmd {
	args = append([]string{verb, "-tls1_2", "-cipher", suite, "-cert", o.cert, "-key", o.key, "-cert_chain", o.chain, "-CAfile", o.roots, "-verify_return_error", "-quiet"}, args...)
	return exec.CommandContext(ctx, "openssl", args...)
}

// rsaGuard runs a guard whose key is RSA.
func (w *world) rsaGuard(who, rules string, routes ...guard.Route) *running {
	w.Helper()
	r := w.conf(who, rules, routes...)
	r.source = w.ca.RSAIdentity(who)
	r.start()
	return r
}

// A peer that has nothing newer than TLS 1.2 with ECDHE_RSA and AES-GCM reaches a route that
// says so, as an identity like any other, and no other route; and weaker suites of TLS 1.2
// reach none.
func TestTLS12Callers(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	r := w.rsaGuard("service/db", anybody,
		guard.Route{Name: "old", Listen: "127.0.0.1:0", Backend: app.url(), MinVersion: "1.2"},
		guard.Route{Name: "new", Listen: "127.0.0.1:0", Backend: app.url()},
	)
	pump := w.oldPeer(w.ca.RSAIdentity("device/pump-1"))
	call := func(route, suite string) (string, error) {
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		defer stop()
		c := pump.openssl(ctx, "s_client", suite, "-connect", r.Address(route).String(), "-servername", "localhost")
		in, err := c.StdinPipe()
		require.NoError(t, err)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		require.NoError(t, c.Start())
		io.WriteString(in, "word")
		go func() { // to the end of what is answered
			c, err := app.Accept()
			if err == nil {
				io.ReadFull(c, make([]byte, 4))
				io.WriteString(c, "answer")
				c.Close()
			}
		}()
		err = c.Wait()
		return out.String(), err
	}
	for _, suite := range []string{"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"} {
		out, err := call("old", suite)
		require.NoError(t, err, out)
		require.Contains(t, out, "answer")
	}
	got := r.records.outcome(record.Allowed)
	require.Equal(t, "spiffe://test.example/device/pump-1", got.Caller)
	for _, tt := range [][2]string{
		{"new", "ECDHE-RSA-AES256-GCM-SHA384"}, {"old", "AES256-GCM-SHA384"}, {"old", "ECDHE-RSA-AES256-SHA384"}, {"old", "ECDHE-RSA-CHACHA20-POLY1305"}, {"old", "DHE-RSA-AES256-GCM-SHA384"},
	} {
		out, err := call(tt[0], tt[1])
		require.Error(t, err, tt)
		require.NotContains(t, out, "answer", tt)
	}
}

// A guard reaches a server that has nothing newer, where its route says so, and judges it as
// any other.
func TestTLS12Servers(t *testing.T) {
	w := newWorld(t)
	archive := w.oldPeer(w.ca.RSAIdentity("service/archive"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	l.Close()
	var out bytes.Buffer
	server := archive.openssl(t.Context(), "s_server", "ECDHE-RSA-AES256-GCM-SHA384", "-accept", "127.0.0.1:"+port, "-Verify", "3", "-rev")
	server.Stdout, server.Stderr = &out, &out
	require.NoError(t, server.Start())
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)

	to := guard.Route{Listen: "127.0.0.1:0", Connect: "tls://localhost:" + port, Expect: []string{"spiffe://test.example/service/archive"}}
	old, fresh, other := to, to, to
	old.Name, old.MinVersion = "old", "1.2"
	fresh.Name = "fresh"
	other.Name, other.MinVersion, other.Expect = "other", "1.2", []string{"spiffe://test.example/service/another"}
	r := w.rsaGuard("device/ct-1", anybody, old, fresh, other)
	say := func(route string) string {
		c, err := net.Dial("tcp", r.Address(route).String())
		require.NoError(t, err)
		defer c.Close()
		io.WriteString(c, "word\n")
		c.SetReadDeadline(time.Now().Add(20 * time.Second))
		got := make([]byte, 5)
		n, _ := io.ReadFull(c, got)
		return string(got[:n])
	}
	require.Equal(t, "drow\n", say("old"))
	require.Empty(t, say("fresh"))
	require.Empty(t, say("other"))
}

// A modality of dcmtk, by DICOM's own profiles of TLS (PS3.15, Appendix B.9 and B.10),
// reaches an archive behind a guard.
func TestTLS12DICOM(t *testing.T) {
	w := newImaging(t)
	r := w.rsaGuard("service/pacs", imaging, guard.Route{Name: "dicom", Listen: "127.0.0.1:0", Backend: w.server.conf.Routes[0].Backend, MinVersion: "1.2"})
	ct := w.oldPeer(w.ca.RSAIdentity("device/ct-1"))
	_, port, err := net.SplitHostPort(r.Address("dicom").String())
	require.NoError(t, err)
	for _, profile := range []string{"--profile-bcp195-nd", "--profile-bcp195-ex"} {
		ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
		args := []string{"-v", "+tls", ct.key, ct.cert, "+cf", ct.roots, "+cf", ct.chain, profile, "-aet", "CT1", "-aec", "ARCHIVE", "localhost", port}
		out, err := exec.CommandContext(ctx, dicomProgram(t, "storescu"), append(args, w.image)...).CombinedOutput()
		stop()
		require.NoError(t, err, "%s", out)
	}
	got := r.records.wait(operation("C-STORE"))
	require.Equal(t, []any{record.Allowed, "spiffe://test.example/device/ct-1"}, []any{got.Outcome, got.Caller})
	require.True(t, strings.HasPrefix(got.Target, "dicom://"), got.Target)
}
