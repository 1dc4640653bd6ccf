package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// How many connections a listener holds open; the next one waits to be
// accepted. It bounds memory (about 40 KiB a TLS connection, 15 KiB a plain
// one) and file descriptors, whoever connects. Where the system allows fewer open
// files, it is fewer; see shares.
const (
	maxHTTPS  = 16384
	maxHTTP   = 16384
	maxEST    = 2048 // of those of HTTPS
	maxOps    = 64
	maxSocket = 64
)

// Listeners are open sockets. Connections wait in them from Listen on, and are
// answered from [Server.Run] on.
type Listeners struct {
	HTTPS, HTTP, Ops, Socket net.Listener
	EST                      net.Listener // nil: there is none
	socket                   string
	files                    int   // that may be open
	line                     *line // of TLS handshakes, of all of them
}

// Listen opens the listeners of the configuration. A socket that is in the
// way is removed: the caller holds the lock of DIR, so nobody listens there.
func Listen(c *Config) (*Listeners, error) {
	l := &Listeners{socket: c.Server.Socket, line: newLine()}
	var err error
	if l.files, err = raiseFiles(); err != nil {
		return nil, err
	}
	https, http := shares(l.files)
	type opening struct {
		to      *net.Listener
		name    string
		address Address
		max     int
	}
	var openings []opening
	if c.EST.Enabled {
		est := min(maxEST, https/2)
		https -= est
		openings = append(openings, opening{&l.EST, "est", c.EST.Listen, est})
	}
	for _, open := range append(openings, []opening{
		{&l.HTTPS, "https", c.Server.HTTPS, https},
		{&l.HTTP, "http", c.Server.HTTP, http},
		{&l.Ops, "ops", c.Server.Ops, maxOps},
	}...) {
		tcp, err := patient.Listen(context.Background(), "tcp", open.address.String())
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("listening for %s: %w", open.name, err)
		}
		*open.to = limit(tcp, open.max)
	}
	unix, err := listenUnix(c.Server.Socket)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listening for socket: %w", err)
	}
	l.Socket = limit(unix, maxSocket)
	return l, nil
}

// Close closes what is open. Closing twice is no error.
func (l *Listeners) Close() {
	for _, one := range []net.Listener{l.HTTPS, l.HTTP, l.EST, l.Ops, l.Socket} {
		if one != nil {
			one.Close()
		}
	}
}

// URLs returns the real addresses.
func (l *Listeners) URLs() adminapi.URLs {
	urls := adminapi.URLs{
		HTTPS: l.HTTPS.Addr().String(), HTTP: l.HTTP.Addr().String(),
		Ops: l.Ops.Addr().String(), Socket: l.socket,
	}
	if l.EST != nil {
		urls.EST = l.EST.Addr().String()
	}
	return urls
}

// HTTPPort is the port of the HTTP listener.
func (l *Listeners) HTTPPort() int { return l.HTTP.Addr().(*net.TCPAddr).Port }

// WriteReady writes the real addresses to file as JSON, for whoever started the
// daemon at port 0. Who sees the file sees all of it.
func (l *Listeners) WriteReady(file string) error {
	text, err := json.Marshal(l.URLs())
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".ready-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(text, '\n'))
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// limit returns l with at most n connections open at a time.
func limit(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	slots  chan struct{} // holds one element for each open connection
	once   sync.Once
	closed chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
