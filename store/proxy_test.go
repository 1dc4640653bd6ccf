package store

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proxy stands between the store and PostgreSQL, and loses what a test wants
// lost.
type proxy struct {
	listener net.Listener
	server   string // address of PostgreSQL

	mu    sync.Mutex
	lose  []byte // what the server must not be heard to say
	lost  int
	links map[net.Conn]bool
}

// newProxy returns a proxy to the data source, and the data source through it.
func newProxy(t *testing.T, dsn string) (*proxy, string) {
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, server: u.Host, links: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(p.accept)
	t.Cleanup(func() {
		l.Close()
		p.cut()
		wg.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) accept() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { p.link(client) })
	}
}

// link joins a client to the server until either goes away.
func (p *proxy) link(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	p.links[client] = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, client)
		p.mu.Unlock()
	}()
	go func() {
		defer server.Close()
		io.Copy(server, client)
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil || p.loses(buf[:n]) {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// loses says whether this is what must not be heard; once.
func (p *proxy) loses(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose == nil || !bytes.Contains(b, p.lose) {
		return false
	}
	p.lose = nil
	p.lost++
	return true
}

// loseNext cuts the connection on which the server says this next, instead of
// passing it on.
func (p *proxy) loseNext(said string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = []byte(said)
}

// cut cuts every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for link := range p.links {
		link.Close()
	}
}
