package web_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// program finds a program of Debian's.
func program(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(name, "is not there")
	}
	if err != nil {
		t.Skip("left out: ", name, " is not there")
	}
	return path
}

// files writes what a foreign client needs: CA certificate, its own, and its key.
func (w *world) files(id *peertest.Identity) (ca, cert, key string) {
	dir := w.TempDir()
	write := func(name, kind string, all ...[]byte) string {
		var b strings.Builder
		for _, der := range all {
			pem.Encode(&b, &pem.Block{Type: kind, Bytes: der})
		}
		path := filepath.Join(dir, name)
		require.NoError(w, os.WriteFile(path, []byte(b.String()), 0o600))
		return path
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.Certificate().PrivateKey)
	require.NoError(w, err)
	return write("ca.pem", "CERTIFICATE", w.ca.Intermediate().Raw), write("cert.pem", "CERTIFICATE", id.Certificate().Certificate...), write("key.pem", "PRIVATE KEY", der)
}

// curl, with its own TLS and its own HTTP/1.1 and 2, downloads and uploads through a
// guard, is refused by it, and is cut off in the middle when it is revoked.
func TestCurl(t *testing.T) {
	curl := program(t, "curl")
	for _, version := range []string{"--http1.1", "--http2"} {
		w := newWorld(t)
		began := make(chan struct{}, 1)
		g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/endless" {
				began <- struct{}{}
				endless(w, r)
			}
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%d bytes from %s", n, r.Header.Get("Betonica-Identity"))
		}), web.Conf{})
		id := w.ca.Identity("device/scanner")
		ca, cert, key := w.files(id)
		_, port, err := net.SplitHostPort(g.addr)
		require.NoError(t, err)
		run := func(path string, args ...string) *exec.Cmd {
			return exec.CommandContext(t.Context(), curl, append([]string{"-sS", version, "--cacert", ca, "--cert", cert, "--key", key,
				"--max-time", "20", "-w", " %{http_version} %{http_code}", "https://localhost:" + port + path, "--path-as-is"}, args...)...)
		}
		number := map[string]string{"--http1.1": "1.1", "--http2": "2"}[version]
		upload := filepath.Join(t.TempDir(), "upload")
		require.NoError(t, os.WriteFile(upload, make([]byte, 3<<20), 0o600))
		out, err := run("/upload", "-T", upload).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, "3145728 bytes from spiffe://test.example/device/scanner "+number+" 200", string(out))
		out, err = run("/a/../b").CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), " "+number+" 400")

		slow := run("/endless", "-o", os.DevNull)
		require.NoError(t, slow.Start())
		<-began
		w.ca.Revoke(id)
		require.Error(t, slow.Wait(), "it is cut off")
		require.Equal(t, record.Cut, g.wait(t, 3)[2].Outcome)
	}
}

// nginx behind a guard, in HTTP/1.1 with kept connections, gets what came and answers;
// when it is gone, that is a 502.
func TestNginx(t *testing.T) {
	nginx := program(t, "nginx")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	app := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(conf, []byte(`daemon off; master_process off; pid `+dir+`/pid; error_log stderr;
events {}
http {
	access_log off; client_body_temp_path `+dir+`; proxy_temp_path `+dir+`; fastcgi_temp_path `+dir+`; uwsgi_temp_path `+dir+`; scgi_temp_path `+dir+`;
	server {
		listen `+app+`;
		underscores_in_headers on;
		location /who { return 200 "$http_betonica_identity|$http_client_cert|$http_x_forwarded_for|$uri"; }
		location / { root `+dir+`; }
	}
}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "scan.dcm"), make([]byte, 5<<20), 0o600))
	cmd := exec.CommandContext(t.Context(), nginx, "-c", conf, "-p", dir, "-e", "stderr")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", app)
		if err == nil {
			c.Close()
		}
		return err == nil
	}, patience, 10*time.Millisecond)

	w := newWorld(t)
	g := w.server(app, web.Conf{})
	p, _ := w.caller()
	client := w.http(p, false)
	r, err := http.NewRequest("GET", "https://"+g.addr+"/who/%C3%A9", nil)
	require.NoError(t, err)
	r.Header["Betonica_Identity"] = []string{"forged"}
	r.Header["client_cert"] = []string{"forged"}
	r.Header["X_Forwarded_For"] = []string{"forged"}
	response, err := client.Do(r)
	require.NoError(t, err)
	parts := strings.Split(readAll(t, response.Body), "|")
	require.Equal(t, "spiffe://test.example/device/scanner", parts[0])
	require.Regexp(t, "^:[A-Za-z0-9+/=]+:$", parts[1])
	require.Equal(t, []string{"", "/who/é"}, parts[2:])
	response, err = client.Get("https://" + g.addr + "/scan.dcm")
	require.NoError(t, err)
	require.Len(t, readAll(t, response.Body), 5<<20)
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	response, err = client.Get("https://" + g.addr + "/scan.dcm")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	readAll(t, response.Body)
	kept := g.wait(t, 3)
	require.Equal(t, []any{int64(5 << 20), record.Failed}, []any{kept[1].Out, kept[2].Outcome})
}
