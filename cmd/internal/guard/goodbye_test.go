package guard_test

import (
	"crypto/tls"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

// forgeFIN ends what c says as anybody on the way could: by TCP, without a word of TLS.
func forgeFIN(t *testing.T, c *tls.Conn) {
	t.Helper()
	require.NoError(t, c.NetConn().(*net.TCPConn).CloseWrite())
}

// An end of TCP that TLS did not announce is no end of a stream: the application's side is
// reset, and the record says that it failed, whether the caller's guard is there or not.
func TestForgedEnd(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	target := app.accept()
	echo(t, c, target)
	forgeFIN(t, c)
	target.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err := target.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	end := server.records.outcome(record.Failed)
	require.Equal(t, []any{"close", "caller: ended without a goodbye"}, []any{end.Operation, end.Reason})
	require.Zero(t, end.Request, "of half of it there is no digest")
}

// Beside a client it is the program that is reset, where the other machine's end was
// forged.
func TestForgedEndOfTarget(t *testing.T) {
	w := newWorld(t)
	far := w.ca.Identity("service/db")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*far.Certificate()}, ClientAuth: tls.RequestClientCert})
	require.NoError(t, err)
	defer l.Close()
	client := w.guard("device/pump-1", anybody, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "tls://" + l.Addr().String(), Expect: []string{"spiffe://test.example/service"}, ServerName: "localhost",
	})
	program, err := net.Dial("tcp", client.Address("out").String())
	require.NoError(t, err)
	defer program.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil && c.(*tls.Conn).Handshake() == nil {
			accepted <- c
		}
	}()
	answer := <-accepted
	defer answer.Close()
	echo(t, program, answer)
	forgeFIN(t, answer.(*tls.Conn))
	program.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err = program.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Equal(t, "target: ended without a goodbye", client.records.outcome(record.Failed).Reason)
}

// A program that breaks off beside a client is broken off at the application, too: its
// guard says no goodbye for it.
func TestBrokenOff(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	client := w.guard("device/pump-1", anybody, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "tls://" + server.Address("db").String(), Expect: []string{"spiffe://test.example/service"}, ServerName: "localhost",
	})
	c, err := net.Dial("tcp", client.Address("out").String())
	require.NoError(t, err)
	target := app.accept()
	echo(t, c, target)
	require.NoError(t, c.(*net.TCPConn).SetLinger(0))
	c.Close()
	target.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err = target.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	client.records.outcome(record.Failed)
	server.records.outcome(record.Failed)
}

// Where it is allowed, or the application has said all that it had to say, an end of TCP
// is one, and the record notes it.
func TestLaxEnd(t *testing.T) {
	for _, lax := range []bool{true, false} {
		w := newWorld(t)
		app := w.backend()
		server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url(), LaxEnd: lax})
		c := server.dial("db", w.ca.Identity("device/pump-1"))
		target := app.accept()
		echo(t, c, target)
		if !lax {
			require.NoError(t, target.CloseWrite())
			_, err := io.Copy(io.Discard, c)
			require.NoError(t, err)
		}
		forgeFIN(t, c)
		target.SetReadDeadline(time.Now().Add(30 * time.Second))
		_, err := io.Copy(io.Discard, target)
		require.NoError(t, err)
		target.Close()
		end := server.records.wait(func(r record.Record) bool { return r.Operation == "close" })
		require.Equal(t, []any{record.Allowed, "caller: ended without a goodbye"}, []any{end.Outcome, end.Reason})
		require.NotZero(t, end.Request)
	}
}

// A caller that says goodbye is not taken for one that did not.
func TestGoodbye(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	target := app.accept()
	echo(t, c, target)
	require.NoError(t, c.Close())
	_, err := io.Copy(io.Discard, target)
	require.NoError(t, err)
	target.Close()
	end := server.records.wait(func(r record.Record) bool { return r.Operation == "close" })
	require.Equal(t, []any{record.Allowed, ""}, []any{end.Outcome, end.Reason})
}

// A link of HL7, whose messages show their own ends, has no harm of it: it is noted.
func TestGoodbyeHL7(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", "[[allow]]\nname = \"hl7\"\npeers = [\"device\"]\nhl7 = {}\n", guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: "mllp://" + app.Addr().String()})
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	target := app.accept()
	server.records.wait(func(r record.Record) bool { return r.Operation == "open" })
	forgeFIN(t, c)
	target.SetReadDeadline(time.Now().Add(30 * time.Second))
	_, err := io.Copy(io.Discard, target)
	require.NoError(t, err)
	end := server.records.wait(func(r record.Record) bool { return r.Operation == "close" })
	require.Equal(t, []any{record.Allowed, "caller: ended without a goodbye"}, []any{end.Outcome, end.Reason})
}
