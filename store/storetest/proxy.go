package storetest

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// A Proxy stands between a process and its PostgreSQL, as a network does that is not
// always there. It is closed when the test ends.
type Proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	moving chan struct{} // closed: bytes pass
	conns  map[net.Conn]bool
}

// NewProxy returns a Proxy that passes everything on, and the data source that leads
// through it.
func NewProxy(t testing.TB, dsn string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: listener, server: u.Host, moving: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.moving)
	u.Host = listener.Addr().String()
	var done sync.WaitGroup
	done.Go(func() { p.accept(&done) })
	t.Cleanup(func() {
		listener.Close()
		p.Resume()
		p.Cut()
		done.Wait()
	})
	return p, u.String()
}

// Stall lets nothing pass, in either direction, and ends no connection: neither side
// can know.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.moving:
		p.moving = make(chan struct{})
	default:
	}
}

// Resume lets all pass again, what has waited first.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.moving:
	default:
		close(p.moving)
	}
}

// Cut ends all connections. New ones may come.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
	clear(p.conns)
}

func (p *Proxy) accept(done *sync.WaitGroup) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		done.Go(func() { p.pass(client, server) })
		done.Go(func() { p.pass(server, client) })
	}
}

// pass copies until one of the two ends.
func (p *Proxy) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		moving := p.moving
		p.mu.Unlock()
		<-moving
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}
