package guard_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// Two guards carry a plain connection over mutual TLS, the end of one direction leaves
// the other open, and both keep records of it that pair: same connection, same digests.
func TestTwoGuards(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	client := w.guard("device/pump-1", anybody, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "tls://" + server.Address("db").String(), Expect: []string{"spiffe://test.example/service/db"},
	})
	c, err := net.Dial("tcp", client.Address("out").String())
	require.NoError(t, err)
	defer c.Close()
	target := app.accept()
	echo(t, c, target)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(target)
	require.NoError(t, err)
	require.Empty(t, rest)
	_, err = target.Write([]byte("the last word"))
	require.NoError(t, err)
	require.NoError(t, target.CloseWrite())
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, "the last word", string(answer))

	closed := func(r record.Record) bool { return r.Operation == "close" }
	at, from := server.records.wait(closed), client.records.wait(closed)
	require.Equal(t, record.Allowed, at.Outcome, at.Reason)
	require.Equal(t, record.Allowed, from.Outcome, from.Reason)
	require.Equal(t, []any{at.Link, at.Number, at.Request, at.Response, at.In, at.Out}, []any{from.Link, from.Number, from.Request, from.Response, from.In, from.Out})
	require.Equal(t, "spiffe://test.example/device/pump-1", at.Caller)
	require.Equal(t, "pumps", at.Rule)
	require.Equal(t, app.url(), at.Target)
	require.Equal(t, "spiffe://test.example/service/db", from.Target, "the other machine, by its name")
	require.NotEmpty(t, at.Serial)
}

// An application that breaks off is not taken for one that has said all: its caller, two
// guards away, sees that too, and both have it on record.
func TestBreakOff(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	client := w.guard("device/pump-1", anybody, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "tls://" + server.Address("db").String(), Expect: []string{"spiffe://test.example/service/db"},
	})
	c, err := net.Dial("tcp", client.Address("out").String())
	require.NoError(t, err)
	defer c.Close()
	target := app.accept()
	echo(t, c, target)
	require.NoError(t, target.SetLinger(0))
	require.NoError(t, target.Close())
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	for _, g := range []*running{server, client} {
		r := g.records.wait(func(r record.Record) bool { return r.Operation == "close" })
		require.Equal(t, record.Failed, r.Outcome)
		require.Contains(t, r.Reason, "target: ")
		require.Zero(t, r.Response)
	}
}

// Who may do nothing here gets no further than the handshake, and it is on record with
// his proved name; who claims a name that nobody proved is not recorded under it.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	refuse := func(who *tls.Config) record.Record {
		before := server.records.len()
		c, err := tls.Dial("tcp", server.Address("db").String(), who)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		require.Error(t, err)
		return server.records.wait(func(r record.Record) bool { before--; return before < 0 })
	}
	other := w.ca.Identity("device/scanner-1")
	r := refuse(&tls.Config{RootCAs: other.Roots(), ServerName: "localhost", Certificates: []tls.Certificate{*other.Certificate()}})
	require.Equal(t, record.Refused, r.Outcome)
	require.Equal(t, other.ID(), r.Caller)
	require.Contains(t, r.Reason, "no rule")
	require.Equal(t, "handshake", r.Operation, "no gate has seen him")

	stranger := newWorld(t).ca.Identity("device/pump-1")
	r = refuse(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*stranger.Certificate()}})
	require.Empty(t, r.Caller)
	require.Contains(t, r.Reason, "claims to be "+stranger.ID())

	r = refuse(&tls.Config{InsecureSkipVerify: true})
	require.Empty(t, r.Caller)

	// Who goes away before he has said who he is, is no refusal.
	knock, err := net.Dial("tcp", server.Address("db").String())
	require.NoError(t, err)
	knock.Close()

	revoked := w.ca.Identity("device/pump-9")
	w.ca.Revoke(revoked)
	r = refuse(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*revoked.Certificate()}})
	require.Equal(t, revoked.ID(), r.Caller)
	require.Contains(t, r.Reason, "revoked")
	require.Eventually(t, func() bool { return server.Pending() == 0 }, ten, tick)
	require.Equal(t, 4, server.records.len())
}

// Each way in which a connection is ended is its own reason on record, and the target
// sees the end too.
func TestLogoff(t *testing.T) {
	for _, tt := range []struct {
		reason string
		route  guard.Route
		end    func(w *world, server *running)
	}{
		{gate.Idle, guard.Route{Idle: guard.Of(time.Minute)}, func(_ *world, s *running) { s.hasten(time.Minute) }},
		{gate.TooOld, guard.Route{Age: guard.Of(time.Hour), Idle: guard.Of(0)}, func(_ *world, s *running) { s.ahead.Store(int64(time.Hour)) }},
		{gate.Expired, guard.Route{Idle: guard.Of(0)}, func(_ *world, s *running) { s.ahead.Store(int64(40 * 24 * time.Hour)) }},
		{gate.NotAllowed, guard.Route{}, func(_ *world, s *running) {
			require.NoError(s.w, os.WriteFile(s.conf.Rules, []byte("[[allow]]\nname = \"x\"\npeers = [\"device/other\"]\ntcp = true\n"), 0o600))
		}},
		{gate.Draining, guard.Route{}, func(_ *world, s *running) { s.stop() }},
	} {
		t.Run(tt.reason, func(t *testing.T) {
			w := newWorld(t)
			app := w.backend()
			tt.route.Name, tt.route.Listen, tt.route.Backend = "db", "127.0.0.1:0", app.url()
			server := w.guard("service/db", anybody, tt.route)
			c := server.dial("db", w.ca.Identity("device/pump-1"))
			target := app.accept()
			echo(t, c, target)
			tt.end(w, server)
			ended(t, c)
			ended(t, target)
			require.Equal(t, tt.reason, server.records.outcome(record.Cut).Reason)
		})
	}
}

// A connection of TCP is held by the rules of TCP alone: one of another protocol, that
// names no listener, lets nobody stay, and nobody in.
func TestOtherRules(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	pump := w.ca.Identity("device/pump-1")
	c := server.dial("db", pump)
	target := app.accept()
	echo(t, c, target)
	require.NoError(t, os.WriteFile(server.conf.Rules, []byte("[[allow]]\nname = \"api\"\npeers = [\"device/pump-*\"]\nhttp = {}\n"), 0o600))
	ended(t, c)
	ended(t, target)
	require.Equal(t, gate.NotAllowed, server.records.outcome(record.Cut).Reason)
	if late, err := server.tryDial("db", pump); err == nil { // TLS 1.3 tells the caller later
		ended(t, late)
	}
	server.records.wait(func(r record.Record) bool { return r.Operation == "handshake" && r.Outcome == record.Refused })
}

// A revoked caller is cut where he is connected, and so is a revoked server: both ends
// have it on record.
func TestRevoked(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	client := w.guard("device/pump-1", anybody, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "tls://" + server.Address("db").String(), Expect: []string{"spiffe://test.example/service/db"},
	})
	pump := w.ca.Identity("device/pump-2")
	theirs := server.dial("db", pump)
	target := app.accept()
	echo(t, theirs, target)
	w.ca.Revoke(pump)
	ended(t, theirs)
	ended(t, target)
	require.Equal(t, gate.Revoked, server.records.outcome(record.Cut).Reason)

	ours, err := net.Dial("tcp", client.Address("out").String())
	require.NoError(t, err)
	defer ours.Close()
	echo(t, ours, app.accept())
	w.ca.Revoke(server.source)
	ended(t, ours)
	require.Equal(t, gate.Revoked, client.records.outcome(record.Cut).Reason)
}

// A journal that takes nothing keeps everybody out, and readyz says why.
func TestNoRecord(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	server.records.fail(errors.New("disk full"))
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	ended(t, c)
	status, text := get(t, server, "/readyz")
	require.Equal(t, 503, status)
	require.Equal(t, "journal: disk full\n", text)
	server.records.fail(nil)
	status, _ = get(t, server, "/readyz")
	require.Equal(t, 200, status)
	echo(t, server.dial("db", w.ca.Identity("device/pump-1")), app.accept())
	_, text = get(t, server, "/metrics")
	require.Contains(t, text, `betonica_guard_records_failed_total{route="db"} 1`)
}

// A caller who does not finish his handshake is sent away, and one address cannot take
// all places.
func TestSlowHandshake(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.conf("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	server.conf.MaxPerAddress = 1
	server.start()
	server.Hurry(300 * time.Millisecond)
	c, err := net.Dial("tcp", server.Address("db").String())
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte{22, 3, 1}) // the beginning of a ClientHello
	require.NoError(t, err)
	second, err := net.Dial("tcp", server.Address("db").String())
	require.NoError(t, err)
	defer second.Close()
	ended(t, second)
	require.Contains(t, server.records.wait(func(r record.Record) bool { return r.Operation == "handshake" }).Reason, "too many connections")
	ended(t, c)
	require.Contains(t, server.records.wait(func(r record.Record) bool { return r.Reason != "there are too many connections" }).Reason, "handshake was not over")
}
