package main_test

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tap stands between a daemon and its database, and can be closed: then nothing
// comes through, but every connection stays; or be torn off, with every connection.
type tap struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	turned *sync.Cond
	closed bool
	off    bool
	links  map[net.Conn]bool
}

// newTap returns an open tap to a data source, and the data source through it.
func newTap(t testing.TB, dsn string) (*tap, string) {
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &tap{listener: l, server: u.Host, links: map[net.Conn]bool{}}
	p.turned = sync.NewCond(&p.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.join(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.turn(false, true)
		all.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// turn closes or opens the tap, or tears it off.
func (p *tap) turn(closed, off bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.off = closed, off
	if off {
		for link := range p.links {
			link.Close()
		}
	}
	p.turned.Broadcast()
}

// join joins a client to the server until either goes away.
func (p *tap) join(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil || !p.add(client, server) {
		return
	}
	defer server.Close()
	var up sync.WaitGroup
	defer up.Wait()
	up.Go(func() {
		defer server.Close()
		p.pass(server, client)
	})
	p.pass(client, server)
	client.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, client)
	delete(p.links, server)
}

func (p *tap) add(links ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, link := range links {
		if p.off {
			link.Close()
		}
		p.links[link] = true
	}
	return !p.off
}

// pass passes on what comes, while the tap is open.
func (p *tap) pass(to, from net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		for p.closed && !p.off {
			p.turned.Wait()
		}
		p.mu.Unlock()
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
