package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

const handshake = "GET /feed HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// echo upgrades, and then sends back what it gets.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/feed" {
		http.Error(w, "no", http.StatusNotFound)
		return
	}
	c, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Caller: %s\r\n\r\n", r.Header.Get("Betonica-Identity"))
	io.Copy(c, buf)
}

// A WebSocket goes through two guards in both directions. It has a record from before it
// is open and one of its end, the same at both ends.
func TestWebSocket(t *testing.T) {
	w := newWorld(t)
	server := w.server(w.application(echo), web.Conf{})
	client := w.client(server.addr, web.Conf{})
	c, err := net.Dial("tcp", client.addr)
	require.NoError(t, err)
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(c, strings.Replace(handshake, "Host: a", "Host: localhost", 1)+"\x81\x05hello") // and a frame that did not wait
	require.NoError(t, err)
	read := bufio.NewReader(c)
	answer, err := http.ReadResponse(read, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, answer.StatusCode)
	require.Equal(t, "spiffe://test.example/device/pump", answer.Header.Get("X-Caller"))
	frame := make([]byte, 7)
	_, err = io.ReadFull(read, frame)
	require.NoError(t, err)
	require.Equal(t, "\x81\x05hello", string(frame))
	open := server.wait(t, 1)[0]
	require.Equal(t, []any{record.Connection, "open", record.Allowed}, []any{open.Kind, open.Operation, open.Outcome})
	_, err = io.WriteString(c, "GET / HTTP/1.1\n\n") // no HTTP any more
	require.NoError(t, err)
	_, err = io.ReadFull(read, make([]byte, 16))
	require.NoError(t, err)
	c.Close()
	a, b := client.wait(t, 2)[1], server.wait(t, 2)[1]
	require.Equal(t, []any{"close", record.Allowed, 101, int64(23), int64(23)}, []any{b.Operation, b.Outcome, b.Status, b.In, b.Out}, b.Reason)
	require.Equal(t, []any{a.Link, a.Number, a.Request, a.Response}, []any{b.Link, b.Number, b.Request, b.Response})
	require.NotZero(t, b.Request)
}

// One that the guard ends says why, and so does the record.
func TestWebSocketCut(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(echo), web.Conf{})
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	_, err := io.WriteString(c, handshake)
	require.NoError(t, err)
	_, err = http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	g.last().End(gate.Idle)
	_, err = io.Copy(io.Discard, c)
	_ = err // whichever way it ends
	kept := g.wait(t, 2)[1]
	require.Equal(t, []any{record.Cut, gate.Idle}, []any{kept.Outcome, kept.Reason})
}

// An upgrade that the application refuses, or to something else, leaves nothing of the
// connection for what might be smuggled behind it.
func TestUpgradeRefused(t *testing.T) {
	w := newWorld(t)
	var upgrades atomic.Int64
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			upgrades.Add(1)
		}
		http.Error(w, "no", http.StatusNotFound)
	}), web.Conf{})
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	_, err := io.WriteString(c, handshake+"GET /behind HTTP/1.1\nHost: a\n\n")
	require.NoError(t, err)
	read := bufio.NewReader(c)
	answer, err := http.ReadResponse(read, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.True(t, answer.Close)
	readAll(t, answer.Body)
	_, err = read.ReadByte()
	require.Error(t, err)
	require.Len(t, g.wait(t, 2), 2)
	require.EqualValues(t, 1, upgrades.Load())

	c = w.raw(p, g, "http/1.1")
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	require.NoError(t, err)
	answer, err = http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, answer.StatusCode)
	require.EqualValues(t, 1, upgrades.Load(), "h2c goes no further")
}

// An application that switches to what nobody asked for is a bad gateway, and the end.
func TestUpgradeOther(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			defer c.Close()
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		}
	}), web.Conf{})
	p, _ := w.caller()
	for _, ask := range []string{handshake, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"} {
		c := w.raw(p, g, "http/1.1")
		_, err := io.WriteString(c, ask)
		require.NoError(t, err)
		read := bufio.NewReader(c)
		answer, err := http.ReadResponse(read, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadGateway, answer.StatusCode)
		require.True(t, answer.Close)
		readAll(t, answer.Body)
		_, err = read.ReadByte()
		require.Error(t, err)
	}
}

// Of several Upgrade headers the application would take the first, and the guard has
// looked at another: then nothing is upgraded.
func TestUpgradeTwice(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	}), web.Conf{})
	p, _ := w.caller()
	for _, upgrade := range []string{"Upgrade: h2c\r\nUpgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c", "Upgrade: h2c, websocket"} {
		c := w.raw(p, g, "http/1.1")
		_, err := io.WriteString(c, "GET /feed HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"+upgrade+"\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode, upgrade)
	}
}

// When the route ends, what is under way is finished, and the connection ends after it.
func TestDrain(t *testing.T) {
	w := newWorld(t)
	asked, finish := make(chan struct{}), make(chan struct{})
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-finish
		io.WriteString(w, "whole")
	}), web.Conf{})
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	<-asked
	close(g.drain)
	finish <- struct{}{}
	read := bufio.NewReader(c)
	answer, err := http.ReadResponse(read, nil)
	require.NoError(t, err)
	require.Equal(t, "whole", readAll(t, answer.Body))
	_, err = read.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, record.Allowed, g.wait(t, 1)[0].Outcome)
}
