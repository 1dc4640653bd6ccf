package syslog

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
	"github.com/betonica/betonica/store/audit/atna"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
)

// What is sent arrives once, in order, one frame each, on one connection, in the format
// that was asked for.
func TestSend(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	ours := a.Issue("sender")
	for format, want := range map[atna.Format]string{"": " IHE+RFC-3881 - ", atna.JSON: " betonica+json - "} {
		r := listen(t, a.Server(a.Issue("127.0.0.1"), true), func(r *repository, c *tls.Conn) { r.read(c, endless) })
		s := sinkTo(t, a, r.Addr().String(), &ours)
		if format != "" {
			s.Format = format
		}
		n, err := s.Send(t.Context(), nil)
		require.NoError(t, err)
		require.Zero(t, n)
		var sent []string
		for first := 1; first < 600; first += 200 {
			batch := records(first, 200)
			n, err := s.Send(t.Context(), batch)
			require.NoError(t, err)
			require.Equal(t, 200, n)
			for _, rec := range batch {
				sent = append(sent, string(rec.Message().Syslog(s.Sender, s.Format)))
			}
		}
		require.NoError(t, s.Close())
		r.Close()
		r.wg.Wait()
		require.Len(t, r.frames, len(sent))
		for i, f := range r.frames {
			require.Equal(t, sent[i], string(f))
			require.Contains(t, string(f[:100]), want)
		}
		require.Equal(t, 1, r.links)
	}
}

// A receiver that does not want us says so when writing has long succeeded, or says nothing
// at all: nothing counts as taken then, whichever way it goes.
func TestRefused(t *testing.T) {
	t.Parallel()
	a, foreign := wiretest.New(t), wiretest.New(t)
	theirs := a.Issue("127.0.0.1")
	ours, stranger := a.Issue("sender"), foreign.Issue("sender")
	old := a.Server(theirs, true)
	old.MaxVersion = tls.VersionTLS12
	for name, tt := range map[string]struct {
		server *tls.Config
		with   *wiretest.Pair
		handle func(*repository, *tls.Conn)
		change func(*Sink)
		want   string
	}{
		"no certificate":      {server: a.Server(theirs, true), want: "refuses our certificate: remote error: tls: certificate required"},
		"foreign certificate": {server: a.Server(theirs, true), with: &stranger, want: "refuses our certificate: remote error: tls: unknown certificate authority"},
		"TLS 1.2 alone":       {server: old, with: &ours, want: "protocol version"},
		"TLS 1.2 refuses":     {server: old, change: func(s *Sink) { s.TLS.MinVersion = tls.VersionTLS12 }, want: "TLS handshake: "},
		"not permitted": { // which rsyslog finds out after the handshake
			server: a.Server(theirs, true), with: &ours, handle: func(_ *repository, c *tls.Conn) { c.Handshake() }, want: "refuses our certificate: EOF",
		},
		"another protocol": {
			server: a.Server(theirs, true), with: &ours,
			handle: func(_ *repository, c *tls.Conn) {
				io.WriteString(c, "220 mail.example ESMTP\r\n")
				io.Copy(io.Discard, c)
			}, want: "which no syslog receiver does",
		},
		"another name":      {server: a.Server(a.Issue("evil.example"), true), with: &ours, want: "TLS handshake: tls: failed to verify certificate"},
		"another authority": {server: foreign.Server(foreign.Issue("127.0.0.1"), false), want: "TLS handshake: tls: failed to verify certificate"},
		"our files":         {server: a.Server(theirs, true), with: &wiretest.Pair{CertFile: ours.CertFile, KeyFile: stranger.KeyFile}, want: "does not match"},
		"ends while we write": {
			server: a.Server(theirs, true), with: &ours, handle: func(r *repository, c *tls.Conn) { r.read(c, 10) }, want: "",
		},
		"reads all, and ends": {
			server: a.Server(theirs, true), with: &ours, handle: func(r *repository, c *tls.Conn) { r.read(c, 2_000) }, want: "",
		},
		"reads all, and ends a little later": {
			server: a.Server(theirs, true), with: &ours, change: func(s *Sink) { s.times.quiet = time.Minute }, want: "",
			handle: func(r *repository, c *tls.Conn) { r.read(c, 2_000); <-time.After(20 * time.Millisecond) },
		},
		"resets": {
			server: a.Server(theirs, true), with: &ours, want: "",
			handle: func(r *repository, c *tls.Conn) { r.read(c, 1); c.NetConn().(*net.TCPConn).SetLinger(0) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.handle == nil {
				tt.handle = func(r *repository, c *tls.Conn) { r.read(c, endless) }
			}
			r := listen(t, tt.server, tt.handle)
			s := sinkTo(t, a, r.Addr().String(), tt.with)
			if tt.change != nil {
				tt.change(s)
			}
			n, err := s.Send(t.Context(), records(1, 2_000))
			require.ErrorContains(t, err, "sending to "+r.Addr().String()+": ")
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, n)
		})
	}
}

// Before it is clear that a receiver wants us, it is sent nothing: neither what is new nor,
// again and again, the tail.
func TestProbation(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	got := make(chan int, 1)
	r := listen(t, a.Server(a.Issue("127.0.0.1"), false), func(_ *repository, c *tls.Conn) {
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ := c.Read(make([]byte, 1))
		got <- n
	})
	s := sinkTo(t, a, r.Addr().String(), nil)
	s.times.probation = time.Minute
	_, err := s.Send(t.Context(), records(1, 1))
	require.ErrorContains(t, err, "refuses our certificate")
	require.Zero(t, <-got)
}

// What counted as taken, and may not have been read, goes again on the next connection,
// before what is new.
func TestTail(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	theirs := a.Issue("127.0.0.1")
	die := make(chan struct{})
	var deaf atomic.Bool
	deaf.Store(true)
	r := listen(t, a.Server(theirs, false), func(r *repository, c *tls.Conn) {
		if deaf.CompareAndSwap(true, false) { // its kernel takes all, and it none
			c.Handshake()
			<-die
			c.NetConn().(*net.TCPConn).SetLinger(0)
			return
		}
		r.read(c, endless)
	})
	s := sinkTo(t, a, r.Addr().String(), nil)
	n, err := s.Send(t.Context(), records(1, 10))
	require.NoError(t, err)
	require.Equal(t, 10, n)
	close(die)
	<-s.link.ended
	n, err = s.Send(t.Context(), records(11, 5))
	require.NoError(t, err, "the next one is connected to at once")
	require.Equal(t, 5, n)
	require.NoError(t, s.Close())
	r.Close()
	r.wg.Wait()
	require.Len(t, r.frames, 15)
	for i, rec := range records(1, 15) {
		require.Equal(t, string(rec.Message().Syslog(s.Sender, s.Format)), string(r.frames[i]))
	}
}

// What is kept for that has a bound, however long the connection holds.
func TestTailBound(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	r := listen(t, a.Server(a.Issue("127.0.0.1"), false), func(_ *repository, c *tls.Conn) { io.Copy(io.Discard, c) })
	s := sinkTo(t, a, r.Addr().String(), nil)
	batch := records(1, 200)
	for i := range batch {
		batch[i].Entry.Detail["padding"] = strings.Repeat("x", 8<<10)
	}
	for range 6 {
		_, err := s.Send(t.Context(), batch)
		require.NoError(t, err)
	}
	var octets, room int
	for _, chunk := range s.tail {
		octets, room = octets+len(chunk), room+cap(chunk)
	}
	require.Equal(t, s.kept, octets)
	require.GreaterOrEqual(t, octets, tailSize)
	require.Less(t, octets, tailSize+chunkSize+atna.Limit)
	require.Less(t, room, 9<<20)
}

// A receiver that reads nothing, and whose kernel takes nothing more, is given up after a
// while; a caller who does not want to wait for it is not held up.
func TestSlow(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	done, begun := make(chan struct{}), make(chan struct{}, 2)
	r := listen(t, a.Server(a.Issue("127.0.0.1"), false), func(_ *repository, c *tls.Conn) {
		c.NetConn().(*net.TCPConn).SetReadBuffer(4 << 10)
		c.Read(make([]byte, 1))
		begun <- struct{}{}
		<-done
	})
	defer close(done)
	s := sinkTo(t, a, r.Addr().String(), nil)
	batch := records(1, 400)
	for i := range batch {
		batch[i].Entry.Detail["padding"] = strings.Repeat("x", 8<<10) // more than the two kernels hold
		batch[i].Entry.Detail["more"] = strings.Repeat("y", 8<<10)
	}
	n, err := s.Send(t.Context(), batch)
	require.ErrorContains(t, err, "for 500ms")
	require.Zero(t, n)
	<-begun

	s.times.patience = time.Hour
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-begun
		cancel(io.ErrClosedPipe)
	}()
	n, err = s.Send(ctx, batch)
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.Zero(t, n)
}

// Configurations that cannot work are errors before anything is sent.
func TestNew(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"is not the host:port": {Address: "arr.hospital.example"},
		`":6514" is not`:       {Address: ":6514"},
		`"arr:" is not`:        {Address: "arr:"},
		`format "xml"`:         {Address: "arr:6514", Format: "xml"},
	} {
		_, err := New(c)
		require.ErrorContains(t, err, want)
	}
	s, err := New(Config{Address: "127.0.0.1:1", TLS: wire.TLS{}})
	require.NoError(t, err)
	require.Equal(t, usual, s.times)
	_, err = s.Send(t.Context(), records(1, 1))
	require.ErrorContains(t, err, "sending to 127.0.0.1:1: ")
	require.True(t, strings.Contains(err.Error(), "connection refused"), err)
	require.NoError(t, s.Close())
}

// No text of a stranger's ends a frame early, or begins one: what arrives are the messages
// that were sent.
func TestHostile(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	for _, format := range []atna.Format{atna.DICOM, atna.JSON} {
		r := listen(t, a.Server(a.Issue("127.0.0.1"), false), func(r *repository, c *tls.Conn) { r.read(c, endless) })
		s := sinkTo(t, a, r.Addr().String(), nil)
		s.Format = format
		var batch []deliver.Record
		for _, text := range plaintest.Hostile() {
			rec := records(len(batch)+1, 1)[0]
			e := &rec.Entry
			e.Actor, e.Subject, e.Address, e.Outcome, e.RequestID, e.Detail = text, text, text, text, text, map[string]any{text: text}
			rec.Source.Site, rec.Source.Address = text, text
			batch = append(batch, rec)
		}
		n, err := s.Send(t.Context(), batch)
		require.NoError(t, err)
		require.Len(t, batch, n)
		require.NoError(t, s.Close())
		r.Close()
		r.wg.Wait()
		require.Len(t, r.frames, len(batch))
		for i, f := range r.frames {
			require.Regexp(t, `^<8[45]>1 2025-11-21T21:52:02.200Z ca\.hospital\.example betonicad 977 \S+ - [!-~ ]+$`, string(f))
			require.Equal(t, string(batch[i].Message().Syslog(s.Sender, s.Format)), string(f))
		}
	}
}

// BenchmarkSend is how many records a second go to a receiver on this machine that only
// reads, in batches of 1,000 and with the times of the field.
func BenchmarkSend(b *testing.B) {
	a := wiretest.New(b)
	r := listen(b, a.Server(a.Issue("127.0.0.1"), false), func(_ *repository, c *tls.Conn) { io.Copy(io.Discard, c) })
	s := sinkTo(b, a, r.Addr().String(), nil)
	s.times = usual
	batch := records(1, 1_000)
	_, err := s.Send(b.Context(), batch) // the first one pays for the connection
	require.NoError(b, err)
	for b.Loop() {
		_, err := s.Send(b.Context(), batch)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "records/s")
}
