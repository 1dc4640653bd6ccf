package gate_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// What comes goes through, byte for byte and in both directions, the end of one of them
// leaves the other open, and there are two records: one from before the first byte.
func TestTCP(t *testing.T) {
	w := newWorld(t)
	caller := w.serve(t)
	target := w.accept(t)
	require.Equal(t, "open", w.kept(t, 1)[0].Operation, "a record comes before the first byte")

	_, err := caller.Write([]byte("question"))
	require.NoError(t, err)
	require.NoError(t, caller.CloseWrite())
	asked, err := io.ReadAll(target)
	require.NoError(t, err)
	require.Equal(t, "question", string(asked))
	answer := make([]byte, 1<<20)
	_, err = target.Write(answer)
	require.NoError(t, err)
	require.NoError(t, target.CloseWrite())
	got, err := io.ReadAll(caller)
	require.NoError(t, err)
	require.Len(t, got, 1<<20)
	<-w.served

	records := w.kept(t, 2)
	end := records[1]
	require.Equal(t, "close", end.Operation)
	require.Equal(t, record.Allowed, end.Outcome, end.Reason)
	require.Equal(t, []int64{8, 1 << 20}, []int64{end.In, end.Out})
	digest := end.Key.Digest(record.ToTarget)
	digest.Write([]byte("question"))
	require.Equal(t, record.Digest(digest.Sum(nil)), end.Request)
	digest = end.Key.Digest(record.FromTarget)
	digest.Write(answer)
	require.Equal(t, record.Digest(digest.Sum(nil)), end.Response)
	require.Equal(t, records[0].Link, end.Link)
	require.Equal(t, "any", end.Rule)
}

// Who may not is not connected to the target, and it is on record; where the guard only
// observes he is, and that is on record, too.
func TestTCPRefused(t *testing.T) {
	w := newWorld(t)
	w.route.Rules = func() allow.Set { return allow.Set{} }
	w.serve(t)
	<-w.served
	require.Equal(t, record.Refused, w.kept(t, 1)[0].Outcome)
	require.Zero(t, w.dialled)

	w.route.Observe = true
	caller := w.serve(t)
	w.accept(t).Close()
	caller.Close()
	<-w.served
	require.Equal(t, record.Observed, w.kept(t, 3)[2].Outcome)
}

// Without a record there is no access: the target gets not one byte.
func TestTCPNoRecord(t *testing.T) {
	w := newWorld(t)
	w.records.Fail(errors.New("disk full"), nil)
	w.serve(t)
	<-w.served
	require.Zero(t, w.dialled)

	w.records.Fail(nil, func(record.Record) error { return errors.New("disk full") })
	caller := w.serve(t)
	caller.Write([]byte("question"))
	target := w.accept(t)
	<-w.served
	got, err := io.ReadAll(target)
	require.NoError(t, err)
	require.Empty(t, got)
	require.EqualValues(t, 2, w.route.Meter.Counts().Unkept)
}

// The guard's reason for an end is the record's outcome, whatever Serve waits for, and
// both sides are closed then.
func TestTCPCut(t *testing.T) {
	for _, reason := range []string{gate.Revoked, gate.Idle, gate.Draining} {
		w := newWorld(t)
		caller := w.serve(t)
		target := w.accept(t)
		w.kept(t, 1)
		w.link.End(reason)
		<-w.served
		end := w.kept(t, 2)[1]
		require.Equal(t, record.Cut, end.Outcome)
		require.Equal(t, reason, end.Reason)
		require.Zero(t, end.Request, "the other end has another half")
		_, err := target.Read(make([]byte, 1))
		require.Error(t, err)
		_, err = caller.Read(make([]byte, 1))
		require.Error(t, err)
		require.EqualValues(t, 1, w.route.Meter.Counts().Records[gate.Tally{Protocol: record.TCP, Kind: record.Connection, Outcome: record.Cut, Reason: reason}])
	}
}

// A target that is not there, or that dies, is a failure on record, and the caller's
// connection ends.
func TestTCPTarget(t *testing.T) {
	w := newWorld(t)
	caller := w.serve(t)
	target := w.accept(t)
	w.kept(t, 1)
	require.NoError(t, target.SetLinger(0)) // a reset, as of a process that died
	target.Close()
	<-w.served
	_, err := caller.Read(make([]byte, 1))
	require.Error(t, err)
	end := w.kept(t, 2)[1]
	require.Equal(t, record.Failed, end.Outcome)
	require.Contains(t, end.Reason, "target: ")

	w.target.Close()
	w.serve(t)
	<-w.served
	end = w.kept(t, 3)[2]
	require.Equal(t, record.Failed, end.Outcome)
	require.Contains(t, end.Reason, "target: ")
	require.EqualValues(t, 1, w.route.Meter.Counts().DialsFailed)
}

// A world is one route with a target, and who serves it.
type world struct {
	route   *gate.Route
	records *gatetest.Records
	target  net.Listener
	dialled int
	link    *gate.Link
	served  chan struct{}
}

func newWorld(t *testing.T) *world {
	l := gatetest.Listen(t)
	set, err := allow.NewSet(allow.Rule{Name: "any", Peers: []string{"spiffe://test.example/device"}, Listeners: []string{"db"}, TCP: true})
	require.NoError(t, err)
	w, dial := &world{records: gatetest.NewRecords(), target: l}, gatetest.Dialer(l.Addr().String())
	w.route = &gate.Route{
		Name: "db", Target: "tcp://db", Side: record.Server, Rules: func() allow.Set { return set }, Records: w.records,
		Meter: new(gate.Meter), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Dial: func(ctx context.Context, l *gate.Link) (*gate.Target, error) {
			target, err := dial(ctx, l)
			if err == nil {
				w.dialled++
			}
			return target, err
		},
	}
	return w
}

// serve connects a caller to the gate.
func (w *world) serve(t *testing.T) *net.TCPConn {
	caller, c := gatetest.Connect(t)
	id, err := allow.ParseID("spiffe://test.example/device/pump-1")
	require.NoError(t, err)
	ctx, link := gate.NewLink(t.Context(), w.route, c, gate.Caller{ID: id}, nil, nil)
	served := make(chan struct{})
	w.link, w.served = link, served
	go func() {
		defer close(served)
		defer link.End("")
		gate.TCP{}.Serve(ctx, link)
	}()
	return caller
}

func (w *world) accept(t *testing.T) *net.TCPConn {
	c, err := w.target.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// kept waits until there are n records.
func (w *world) kept(t *testing.T, n int) []record.Record { return w.records.Wait(t, n) }
