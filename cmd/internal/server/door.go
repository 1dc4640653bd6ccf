package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// shakeTime bounds a TLS handshake, its time in the line included.
const shakeTime = 10 * time.Second

// A door is a listener whose connections have made their TLS handshake when they are
// accepted. Handshakes are most of what a new connection costs, and a fleet that comes
// back after an outage makes thousands at once; here as many compute as there are processors,
// the others stand in a line, and what is served over open connections, or without TLS,
// goes on beside them. A peer that is slow holds nobody up: see shaking.
type door struct {
	net.Listener
	config *tls.Config
	line   *line
	failed func(peer net.Addr, err error) // is told of handshakes; called concurrently

	through chan passed
	ctx     context.Context // until Close
	end     context.CancelFunc
	group   sync.WaitGroup
}

type passed struct {
	conn net.Conn
	err  error
}

// openDoor begins to accept what comes over l.
func openDoor(l net.Listener, config *tls.Config, ahead *line, failed func(net.Addr, error)) *door {
	d := &door{Listener: l, config: config, line: ahead, failed: failed, through: make(chan passed)}
	d.ctx, d.end = context.WithCancel(context.Background())
	d.group.Go(d.run)
	return d
}

// Accept returns the next connection that is through the door: a *tls.Conn.
func (d *door) Accept() (net.Conn, error) {
	select {
	case p := <-d.through:
		return p.conn, p.err
	case <-d.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close closes the listener, and every connection that is not through yet. It returns
// when that is done; closing twice is no error.
func (d *door) Close() error {
	d.end()
	err := d.Listener.Close()
	d.group.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (d *door) run() {
	for {
		c, err := d.Listener.Accept()
		if err == nil {
			d.group.Go(func() { d.shake(c) })
			continue
		}
		if !d.pass(passed{err: err}) || errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

func (d *door) pass(p passed) bool {
	select {
	case d.through <- p:
		return true
	case <-d.ctx.Done():
		return false
	}
}

// shake makes one handshake.
func (d *door) shake(c net.Conn) {
	ctx, cancel := context.WithTimeout(d.ctx, shakeTime)
	defer cancel()
	c.SetDeadline(time.Now().Add(shakeTime))
	s := &shaking{Conn: c, line: d.line, ctx: ctx}
	conn := tls.Server(s, d.config)
	err := handshake(ctx, conn)
	s.over()
	if err != nil {
		advise(err)
		c.Close()
		d.failed(c.RemoteAddr(), err)
		return
	}
	c.SetDeadline(time.Time{})
	if !d.pass(passed{conn: conn}) {
		c.Close()
	}
}

// handshake makes a panic an error: one peer's handshake ends none of the others.
func handshake(ctx context.Context, conn *tls.Conn) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicError{cause, debug.Stack()}
		}
	}()
	return conn.HandshakeContext(ctx)
}

type panicError struct {
	cause any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.cause, e.stack) }

// advise tells a client that has forgotten the s of https what is wrong.
func advise(err error) {
	record, is := errors.AsType[tls.RecordHeaderError](err)
	if !is || record.Conn == nil {
		return
	}
	switch string(record.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET":
		io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nThis is the HTTPS listener: ask it by https, not by http.\n")
	}
}
