package store

import (
	"bytes"
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

	mu      sync.Mutex
	request []byte // what the server must not hear
	reply   []byte // what the server must not be heard to say
	lost    int
	closed  bool // to new connections, and once something was lost
	links   map[net.Conn]bool
	stalled chan struct{} // nil: what is said is passed on; else closed when it is again
	mute    bool          // only what the server says is stalled
	halt    []byte        // what the server must say for it to be stalled
	deaf    []byte        // what the server hears as something else
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
		p.resume()
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
	if !p.admits(client) {
		return
	}
	defer func() {
		p.mu.Lock()
		delete(p.links, client)
		p.mu.Unlock()
	}()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer server.Close()
		p.pass(server, client, &p.request)
	})
	p.pass(client, server, &p.reply)
	client.Close()
}

// admits says whether the proxy takes the client on.
func (p *proxy) admits(client net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.links[client] = true
	return !p.closed || p.lost == 0
}

// pass passes on what from says, until it says what is to be lost.
func (p *proxy) pass(to, from net.Conn, lose *[]byte) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || p.loses(buf[:n], lose) {
			return
		}
		if stalled := p.stalls(buf[:n], lose == &p.reply); stalled != nil {
			<-stalled
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// loses says whether this is what is to be lost; once.
func (p *proxy) loses(b []byte, lose *[]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *lose == nil || !bytes.Contains(b, *lose) {
		return false
	}
	*lose = nil
	p.lost++
	if p.closed {
		for link := range p.links {
			link.Close()
		}
	}
	return true
}

// loseReply cuts the connection on which the server says this next, instead of
// passing it on; loseRequest the one on which it is told this.
func (p *proxy) loseReply(said string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reply = []byte(said)
}

func (p *proxy) loseRequest(said string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request = []byte(said)
}

// closeAfterLoss has the server gone for everyone and for good once something is lost
// if closed.
func (p *proxy) closeAfterLoss(closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = closed
}

// cut cuts every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for link := range p.links {
		link.Close()
	}
}

// stall keeps what is said from now on, on old connections and new ones, until
// resume passes it on.
func (p *proxy) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled == nil {
		p.stalled = make(chan struct{})
	}
}

// silence stalls only what the server says: it hears everything.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled, p.mute = make(chan struct{}), true
}

// silenceAt is silence from when the server says this.
func (p *proxy) silenceAt(said string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt = []byte(said)
}

// silent says whether it is so.
func (p *proxy) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mute
}

// misspell has the server hear nonsense of the same length for what it is told.
func (p *proxy) misspell(told string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = []byte(told)
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stalled != nil {
		close(p.stalled)
		p.stalled, p.mute = nil, false
	}
}

// stalls returns what to wait for before this is passed on; nil if it is passed on.
func (p *proxy) stalls(said []byte, reply bool) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if reply && p.halt != nil && bytes.Contains(said, p.halt) {
		p.halt, p.stalled, p.mute = nil, make(chan struct{}), true
	}
	if i := bytes.Index(said, p.deaf); !reply && p.deaf != nil && i >= 0 {
		copy(said[i:], bytes.Repeat([]byte("x"), len(p.deaf)))
	}
	if p.mute && !reply {
		return nil
	}
	return p.stalled
}
