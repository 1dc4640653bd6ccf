package guard_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

const anybody = `
[[allow]]
name = "pumps"
peers = ["device/pump-*"]
tcp = true
`

// A world is a CA, and guards of it.
type world struct {
	*testing.T
	ca *peertest.CA
}

func newWorld(t *testing.T) *world { return &world{t, peertest.New(t)} }

// A running is a guard of a test.
type running struct {
	*guard.Guard
	w       *world
	conf    guard.Config
	source  *peertest.Identity
	records *keeper
	ahead   atomic.Int64 // of the real clock
	stop    func()
}

// guard runs a guard with these rules and routes until the test ends.
func (w *world) guard(who, rules string, routes ...guard.Route) *running {
	w.Helper()
	r := w.conf(who, rules, routes...)
	r.start()
	return r
}

func (w *world) conf(who, rules string, routes ...guard.Route) *running {
	dir := w.TempDir()
	file := filepath.Join(dir, "rules.toml")
	require.NoError(w, os.WriteFile(file, []byte(rules), 0o600))
	r := &running{w: w, source: w.ca.Identity(who), records: newKeeper()}
	r.conf = guard.Config{
		Dir: dir, Rules: file, Ops: "127.0.0.1:0", Drain: guard.Of(time.Second), Routes: routes,
		Lists: guard.Lists{Report: "none"},
	}
	return r
}

func (r *running) start() {
	w := r.w
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	g, err := guard.OpenAs(ctx, r.conf, guard.Options{
		Records: r.records, Log: slog.New(slog.NewTextHandler(w.Output(), nil)),
		Now: func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) },
	}, r.source)
	require.NoError(w, err)
	r.Guard = g
	done := make(chan struct{})
	go func() { defer close(done); g.Run(ctx) }()
	r.stop = sync.OnceFunc(func() { cancel(); <-done })
	w.Cleanup(r.stop)
}

// hasten lets the clock jump ahead, again and again until something was cut: what moved
// before a jump is noticed after it. It jumps not much oftener than the guard looks, so
// that the lists do not grow too old meanwhile.
func (r *running) hasten(by time.Duration) {
	require.Eventually(r.w, func() bool {
		r.ahead.Add(int64(by))
		return !r.records.none(record.Cut)
	}, ten, 300*time.Millisecond)
}

// dial connects to a route as a machine, by TLS and with no guard of its own.
func (r *running) dial(route string, who *peertest.Identity) *tls.Conn {
	r.w.Helper()
	c, err := r.tryDial(route, who)
	require.NoError(r.w, err)
	return c
}

func (r *running) tryDial(route string, who *peertest.Identity) (*tls.Conn, error) {
	c, err := tls.Dial("tcp", r.Address(route).String(), &tls.Config{
		RootCAs: who.Roots(), ServerName: "localhost", Certificates: []tls.Certificate{*who.Certificate()},
	})
	if err == nil {
		r.w.Cleanup(func() { c.Close() })
	}
	return c, err
}

// A backend is an application that keeps what connects to it for the test.
type backend struct {
	net.Listener
	t *testing.T
}

func (w *world) backend() *backend {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	w.Cleanup(func() { l.Close() })
	return &backend{l, w.T}
}

func (b *backend) url() string { return "tcp://" + b.Addr().String() }

func (b *backend) accept() *net.TCPConn {
	b.t.Helper()
	c, err := b.Accept()
	require.NoError(b.t, err)
	b.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// echo sends a word one way and back.
func echo(t *testing.T, a, b io.ReadWriter) {
	t.Helper()
	for _, way := range [][2]io.ReadWriter{{a, b}, {b, a}} {
		_, err := way[0].Write([]byte("word"))
		require.NoError(t, err)
		got := make([]byte, 4)
		_, err = io.ReadFull(way[1], got)
		require.NoError(t, err)
		require.Equal(t, "word", string(got))
	}
}

// ended demands that nothing comes any more.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, c)
	var slow net.Error
	require.False(t, errorsAs(err, &slow) && slow.Timeout(), "it is still open")
}

func errorsAs(err error, target *net.Error) bool {
	e, ok := err.(net.Error)
	*target = e
	return ok
}

// A keeper keeps records in memory.
type keeper struct {
	mu    sync.Mutex
	grown *sync.Cond
	all   []record.Record
	err   error

	before func(record.Record) error // unless nil, has a say first
}

func newKeeper() *keeper {
	k := &keeper{}
	k.grown = sync.NewCond(&k.mu)
	return k
}

func (k *keeper) Ready() error { k.mu.Lock(); defer k.mu.Unlock(); return k.err }

func (k *keeper) fail(err error) { k.mu.Lock(); k.err = err; k.mu.Unlock() }

func (k *keeper) Keep(_ context.Context, r record.Record) error {
	if k.before != nil {
		if err := k.before(r); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.all = append(k.all, r.Clean())
	k.grown.Broadcast()
	return nil
}

// wait waits for a record that is so, and returns it.
func (k *keeper) wait(is func(record.Record) bool) record.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	for seen := 0; ; {
		for ; seen < len(k.all); seen++ {
			if is(k.all[seen]) {
				return k.all[seen]
			}
		}
		k.grown.Wait()
	}
}

func (k *keeper) outcome(o record.Outcome) record.Record {
	return k.wait(func(r record.Record) bool { return r.Outcome == o })
}

func (k *keeper) none(o record.Outcome) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.all {
		if r.Outcome == o {
			return false
		}
	}
	return true
}

func (k *keeper) len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}
