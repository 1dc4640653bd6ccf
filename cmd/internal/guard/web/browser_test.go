package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A browser of the machine lends nobody its name: what a page of another site asks, or one
// whose name was made to point here, goes nowhere and is on record; what a program or a
// person asks goes through.
func TestForeign(t *testing.T) {
	w := newWorld(t)
	var reached atomic.Int64
	server := w.server(w.application(func(http.ResponseWriter, *http.Request) { reached.Add(1) }), web.Conf{})
	client := w.client(server.addr, web.Conf{Host: "Records.example:8443", Hosts: []string{"gateway.example"}})
	_, port, err := net.SplitHostPort(client.addr)
	require.NoError(t, err)
	n := 0
	ask := func(network, address, headers string) int {
		c, err := net.Dial(network, address)
		require.NoError(t, err)
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		_, err = io.WriteString(c, "POST /x HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n"+strings.ReplaceAll(headers, "PORT", port)+"\r\n\r\n{}")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		readAll(t, answer.Body)
		n++
		return answer.StatusCode
	}
	for _, headers := range []string{
		"Host: evil.example\r\nOrigin: https://evil.example\r\nSec-Fetch-Site: cross-site",
		"Host: localhost:PORT\r\nSec-Fetch-Site: cross-site",
		"Host: localhost:PORT\r\nSec-Fetch-Site: same-site",
		"Host: localhost:PORT\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site",
		"Host: localhost:PORT\r\nOrigin: https://evil.example",
		"Host: localhost:PORT\r\nOrigin: null",
		"Host: localhost:PORT\r\nOrigin: http://localhost:1",
		"Host: localhost:PORT\r\nOrigin: https://localhost:PORT",
		"Host: evil.example:PORT\r\nOrigin: http://evil.example:PORT\r\nSec-Fetch-Site: same-origin", // rebound
		"Host: evil.example:PORT",
		"Host: localhost.evil.example",
		"Host: 192.0.2.1:PORT",
	} {
		require.Equal(t, http.StatusForbidden, ask("tcp", client.addr, headers), headers)
		kept := client.wait(t, n)[n-1]
		require.Equal(t, []any{record.Refused, "POST", 403}, []any{kept.Outcome, kept.Operation, kept.Status})
		require.NotEmpty(t, kept.Reason)
	}
	require.Zero(t, reached.Load())
	for _, headers := range []string{
		"Host: 127.0.0.1:PORT", "Host: 127.0.0.1", "Host: [::1]:PORT", "Host: localhost", "Host: LOCALHOST.:PORT",
		"Host: records.example", "Host: records.example:8443", "Host: Gateway.example:PORT",
		"Host: localhost:PORT\r\nSec-Fetch-Site: none",
		"Host: localhost:PORT\r\nOrigin: http://localhost:PORT\r\nSec-Fetch-Site: same-origin",
	} {
		require.Equal(t, http.StatusOK, ask("tcp", client.addr, headers), headers)
	}

	unix := w.client(server.addr, web.Conf{})
	socket, err := net.Listen("unix", filepath.Join(t.TempDir(), "guard"))
	require.NoError(t, err)
	w.serve(unix, socket)
	require.Equal(t, http.StatusOK, ask("unix", socket.Addr().String(), "Host: anything\r\nOrigin: http://other"))
	require.EqualValues(t, n-12, reached.Load())

	p, _ := w.caller()
	c := w.raw(p, server, "http/1.1") // before an application, callers have shown who they are
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: portal.example\r\nOrigin: https://portal.example\r\nSec-Fetch-Site: cross-site\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
}
