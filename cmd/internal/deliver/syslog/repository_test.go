package syslog

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

// hasty are the times of tests, whose receivers are at hand.
var hasty = times{handshake: 10 * time.Second, probation: 50 * time.Millisecond, quiet: 20 * time.Millisecond, patience: 500 * time.Millisecond}

const origin = "hospital.example/log"

// records returns n records of the CA's log, from the one with that number.
func records(first, n int) (batch []deliver.Record) {
	for i := first; i < first+n; i++ {
		batch = append(batch, deliver.Record{
			Source: atna.Source{ID: "spiffe://hospital.example/ca", Origin: origin},
			Entry: audit.Entry{Seq: int64(i), At: time.UnixMilli(1763761922200), Event: audit.Event{
				Action: "certificate.issue", Actor: "device/pump-7", Subject: "device/pump-7", Outcome: "ok", Detail: map[string]any{"serial": strconv.Itoa(i)},
			}},
		})
	}
	return batch
}

// A repository is a receiver of the test's, which does what handle says with what comes.
type repository struct {
	net.Listener
	mu     sync.Mutex
	frames [][]byte // in the order in which they came
	links  int
	wg     sync.WaitGroup
}

// listen starts a repository. handle is given each connection, after the handshake.
func listen(t testing.TB, c *tls.Config, handle func(*repository, *tls.Conn)) *repository {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	require.NoError(t, err)
	r := &repository{Listener: l}
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.links++
			r.mu.Unlock()
			r.wg.Go(func() {
				defer c.Close()
				handle(r, c.(*tls.Conn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		r.wg.Wait()
	})
	return r
}

// read takes up to so many frames of a connection.
func (r *repository) read(c io.Reader, most int) {
	b := bufio.NewReader(c)
	for range most {
		length, err := b.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(length[:len(length)-1])
		if err != nil || n > atna.Limit {
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(b, frame); err != nil {
			return
		}
		r.mu.Lock()
		r.frames = append(r.frames, frame)
		r.mu.Unlock()
	}
}

const endless = 1 << 40

// sinkTo returns a sink that sends to a receiver, in the times of tests.
func sinkTo(t testing.TB, a *wiretest.Authority, address string, with *wiretest.Pair) *Sink {
	t.Helper()
	c := Config{Address: address, TLS: wire.TLS{CAFile: a.CAFile}, Sender: atna.Sender{Host: "ca.hospital.example", App: "betonicad", PID: "977"}}
	if with != nil {
		c.TLS.CertFile, c.TLS.KeyFile = with.CertFile, with.KeyFile
	}
	s, err := New(c)
	require.NoError(t, err)
	s.times = hasty
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
