package syslog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver/wire"
)

var (
	errAnswer = errors.New("it answers, which no syslog receiver does: is it one?")
	errEnded  = errors.New("it ended the connection")
)

// A link is a connection to a repository, with a reader on it until it ends.
type link struct {
	conn  *tls.Conn
	tcp   *net.TCPConn
	queue func() (unacknowledged int, open bool) // see queueOf
	ended chan struct{}                          // closed by the reader, when it is over
	why   error                                  // it is; read it after ended
	fresh atomic.Bool                            // nothing was written yet
}

// dial connects, with what the files hold now.
func dial(ctx context.Context, address, host string, t wire.TLS, times times) (*link, error) {
	config, err := t.Config(host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, times.handshake)
	defer cancel()
	// Keepalive notices a pulled cable between batches, and settle during one.
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	tcp := c.(*net.TCPConn)
	l := &link{conn: tls.Client(c, config), tcp: tcp, queue: func() (int, bool) { return queueOf(tcp) }, ended: make(chan struct{})}
	if err := l.conn.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	l.fresh.Store(true)
	go l.read()
	return l, nil
}

// read waits for the end. It is what hears of a refusal, which comes when our side of the
// handshake of TLS 1.3 is long over.
func (l *link) read() {
	defer close(l.ended)
	n, err := l.conn.Read(make([]byte, 1))
	switch {
	case n > 0:
		l.why = errAnswer
	case l.fresh.Load():
		l.why = fmt.Errorf("it ended the connection after the handshake, as one does that refuses our certificate: %w", err)
	case errors.Is(err, io.EOF):
		l.why = errEnded
	default:
		l.why = err
	}
}

// err says why the connection is over, if it is.
func (l *link) err() error {
	select {
	case <-l.ended:
		return l.why
	default:
		return nil
	}
}

// probe gives the receiver time to refuse us.
func (l *link) probe(ctx context.Context, times times) error {
	if err := l.wait(ctx, times.probation); err != nil {
		return err
	}
	l.fresh.Store(false)
	return nil
}

// write writes b, in at most the time given.
func (l *link) write(ctx context.Context, b []byte, within time.Duration) error {
	if err := l.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.tcp.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err := l.conn.Write(b)
	switch {
	case err == nil:
		return l.err()
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("it took nothing more for %v", within)
	}
	if why := l.wait(ctx, time.Second); why != nil && !errors.Is(why, errEnded) { // the reader knows better
		return why
	}
	return err
}

// settle waits until what was written is taken: acknowledged, with a quiet time after it.
func (l *link) settle(ctx context.Context, times times) error {
	least, since := -1, time.Now()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		unacknowledged, open := l.queue()
		if unacknowledged == 0 {
			break
		}
		if !open {
			return l.over(ctx)
		}
		if least < 0 || unacknowledged < least {
			least, since = unacknowledged, time.Now()
		}
		if time.Since(since) > times.patience {
			return fmt.Errorf("it acknowledged nothing for %v", times.patience)
		}
		if err := l.wait(ctx, pause); err != nil {
			return err
		}
	}
	if err := l.wait(ctx, times.quiet); err != nil {
		return err
	}
	if _, open := l.queue(); !open { // whether the reader has had its turn or not
		return l.over(ctx)
	}
	return nil
}

// over says why the connection is, which the reader may yet have to hear.
func (l *link) over(ctx context.Context) error {
	if err := l.wait(ctx, time.Second); err != nil {
		return err
	}
	return errEnded
}

// wait returns nil after d, and earlier only with an error: the connection's, or ctx's.
func (l *link) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.ended:
		return l.why
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return l.err()
	}
}

// close ends the connection, and waits for the reader.
func (l *link) close() {
	l.tcp.SetDeadline(time.Now().Add(time.Second)) // for the alert that says so
	l.conn.Close()
	<-l.ended
}
