package guard_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A backend that is not there, or that dies, ends the caller's connection, and is on
// record as what it is.
func TestBackendGone(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	pump := w.ca.Identity("device/pump-1")
	c, target := server.dial("db", pump), app.accept()
	echo(t, c, target)
	require.NoError(t, target.SetLinger(0))
	target.Close()
	ended(t, c)
	require.Contains(t, server.records.outcome(record.Failed).Reason, "connection reset by peer")

	app.Close()
	ended(t, server.dial("db", pump))
	server.records.wait(func(r record.Record) bool { return strings.Contains(r.Reason, "connection refused") })
	_, text := get(t, server, "/metrics")
	require.Contains(t, text, `betonica_guard_target_failures_total{route="db"} 1`)
}

// The backend is told who is behind a connection before its first byte, over a Unix
// socket too, by the PROXY protocol: the example of its specification, field for field.
func TestProxyProtocol(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: "tcp+unix:" + path, ProxyProtocol: true})
	pump := w.ca.Identity("device/pump-1")
	c := server.dial("db", pump)
	_, err = c.Write([]byte("first"))
	require.NoError(t, err)
	target, err := l.Accept()
	require.NoError(t, err)
	defer target.Close()

	head := make([]byte, 16)
	_, err = io.ReadFull(target, head)
	require.NoError(t, err)
	require.Equal(t, "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11", string(head[:14]))
	body := make([]byte, binary.BigEndian.Uint16(head[14:]))
	_, err = io.ReadFull(target, body)
	require.NoError(t, err)
	at := c.LocalAddr().(*net.TCPAddr)
	to := c.RemoteAddr().(*net.TCPAddr)
	require.Equal(t, at.IP.To4(), net.IP(body[:4]))
	require.Equal(t, to.IP.To4(), net.IP(body[4:8]))
	require.Equal(t, []int{at.Port, to.Port}, []int{int(binary.BigEndian.Uint16(body[8:])), int(binary.BigEndian.Uint16(body[10:]))})
	found := tlvs(t, body[12:])
	require.Equal(t, pump.ID(), string(found[0xe0]))
	require.Equal(t, server.records.wait(func(r record.Record) bool { return r.Operation == "open" }).Link, string(found[0x05]))
	ssl := found[0x20]
	require.Equal(t, []byte{7, 0, 0, 0, 0}, ssl[:5])
	inner := tlvs(t, ssl[5:])
	require.Equal(t, "TLSv1.3", string(inner[0x21]))
	require.Equal(t, "pump-1", string(inner[0x22]))
	require.True(t, strings.HasPrefix(string(inner[0x23]), "TLS_"))
	rest := make([]byte, 5)
	_, err = io.ReadFull(target, rest)
	require.NoError(t, err)
	require.Equal(t, "first", string(rest))
}

// A program of this machine may come by a Unix socket, which is its user's alone; one
// that a crash left behind is not in the way, and one that is in use is.
func TestUnixSocket(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	dead.Close()
	route := guard.Route{
		Name: "out", Listen: "unix:" + path, Connect: "tls://" + server.Address("db").String(), Expect: []string{"spiffe://test.example/service"},
	}
	client := w.guard("device/pump-1", anybody, route)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer c.Close()
	echo(t, c, app.accept())
	next := client.conf
	next.Routes = append(next.Routes[:1:1], route)
	next.Routes[1].Name, next.Routes[1].Listen = "again", "unix:"+filepath.Dir(path)+"/./s"
	require.Error(t, client.Reload(t.Context(), next))
	again, err := net.Dial("unix", path)
	require.NoError(t, err)
	again.Close()
}

func tlvs(t *testing.T, b []byte) map[byte][]byte {
	all := map[byte][]byte{}
	for len(b) > 0 {
		n := 3 + int(binary.BigEndian.Uint16(b[1:]))
		require.LessOrEqual(t, n, len(b))
		all[b[0]] = b[3:n]
		b = b[n:]
	}
	return all
}

const webRules = `
[[allow]]
name = "read"
peers = ["device/pump-*"]
http = { methods = ["GET"], routes = ["/status"] }
`

// HTTP goes through two guards, in the version that it came in, and the application
// learns who asks; a program that may not is told so.
func TestHTTP(t *testing.T) {
	w := newWorld(t)
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, r.Header.Get("Betonica-Identity"))
	}))
	defer app.Close()
	server := w.guard("service/web", webRules, guard.Route{Name: "web", Listen: "127.0.0.1:0", Backend: app.URL})
	client := w.guard("device/pump-1", webRules, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "https://" + server.Address("web").String(), Expect: []string{"spiffe://test.example/service/web"},
	})
	for path, want := range map[string]int{"/status": 200, "/other": 403} {
		resp, err := http.Get("http://" + client.Address("out").String() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, want, resp.StatusCode)
		if want == 200 {
			require.Contains(t, string(body), client.source.ID())
		}
	}
	at := server.records.wait(func(r record.Record) bool { return r.Outcome == record.Allowed })
	from := client.records.wait(func(r record.Record) bool { return r.Outcome == record.Allowed && r.Number == at.Number })
	require.Equal(t, at.Link, from.Link)
	require.Equal(t, at.Response, from.Response)
}

// When the guard stops, a request that is under way is answered, and no other begins.
func TestDrainHTTP(t *testing.T) {
	w := newWorld(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		close(begun)
		<-finish
		io.WriteString(rw, "done")
	}))
	defer app.Close()
	server := w.conf("service/web", webRules, guard.Route{Name: "web", Listen: "127.0.0.1:0", Backend: app.URL})
	server.conf.Drain = guard.Of(ten)
	server.start()
	c := server.dial("web", w.ca.Identity("device/pump-1"))
	_, err := io.WriteString(c, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	<-begun
	address := server.Address("web").String()
	stopped := make(chan struct{})
	go func() { defer close(stopped); server.stop() }()
	require.Eventually(t, func() bool {
		late, err := net.Dial("tcp", address)
		if err == nil {
			late.Close()
		}
		return err != nil
	}, ten, tick)
	close(finish)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "done", string(body))
	<-stopped
}
