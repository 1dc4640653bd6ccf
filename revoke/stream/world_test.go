package stream_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/stream"
)

// A world is a hub behind net/http, with a network that holds nothing back: what
// one end does not read, the other has not written. So it works in a bubble of
// testing/synctest, where deadlines cost no time.
type world struct {
	stream.Hub
	t     *testing.T
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, conns: make(chan net.Conn), done: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/stream", w.ServeSSE)
	mux.HandleFunc("/poll", w.ServePoll)
	server := &http.Server{Handler: mux, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second}
	go server.Serve(w)
	t.Cleanup(func() { server.Close() })
	return w
}

// Accept, Close and Addr are a net.Listener's.
func (w *world) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}
func (w *world) Close() error   { w.once.Do(func() { close(w.done) }); return nil }
func (w *world) Addr() net.Addr { return &net.TCPAddr{} }

// A caller is a connection whose other end sees it come from an address.
type caller struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

type from struct {
	net.Conn
	address string
}

func (f from) RemoteAddr() net.Addr { return address(f.address) }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

// get sends a request from an address, "192.0.2.7:1", and reads nothing.
func (w *world) get(remote, path string, header ...string) *caller {
	w.t.Helper()
	near, far := net.Pipe()
	w.t.Cleanup(func() { near.Close() })
	w.conns <- from{far, remote}
	c := &caller{near, w.t, bufio.NewReader(near)}
	_, err := fmt.Fprintf(near, "GET %s HTTP/1.1\r\nHost: ca\r\n%s\r\n", path, strings.Join(append(header, ""), "\r\n"))
	require.NoError(w.t, err)
	return c
}

// answer reads the head of an answer.
func (c *caller) answer() *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, nil)
	require.NoError(c.t, err)
	return resp
}

// event reads one event off a stream's body.
func event(t *testing.T, lines *bufio.Reader) (id, kind, data string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			return id, kind, data
		}
	}
}

func delta(number int64) *stream.Event {
	return stream.NewDelta(number, 1, fmt.Appendf(nil, "delta %d", number), 0)
}

func text(t *testing.T, data string) string {
	t.Helper()
	der, err := base64.StdEncoding.DecodeString(data)
	require.NoError(t, err)
	return string(der)
}
