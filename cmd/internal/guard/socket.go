package guard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
)

// A socket is a listener, which stays open when its route changes.
type socket struct {
	net.Listener
	mu      sync.Mutex
	current *served
}

// listen opens the listener of a route.
func listen(ctx context.Context, r Route) (*socket, error) {
	network, address := "tcp", r.Listen
	if path, ok := strings.CutPrefix(r.Listen, "unix:"); ok {
		network, address = "unix", path
		removeDead(path)
	}
	var conf net.ListenConfig
	l, err := conf.Listen(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if err := os.Chmod(address, 0o600); err != nil { // who may connect acts as this machine
			l.Close()
			return nil, err
		}
	}
	return &socket{Listener: l}, nil
}

// removeDead removes a Unix socket at which nobody listens any more.
func removeDead(path string) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return
	}
	os.Remove(path)
}

// give makes s serve what comes from now on, and returns what did until now; nil: none.
func (k *socket) give(s *served) (before *served) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, k.current = k.current, s
	return before
}

// take returns what serves the next connection, which is counted there; nil: nothing
// does any more.
func (k *socket) take() *served {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current != nil {
		k.current.conns.Add(1)
	}
	return k.current
}

// accept serves connections until the socket is closed.
func (g *Guard) accept(k *socket) {
	for pause := time.Duration(0); ; {
		c, err := k.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no file descriptor is left, most likely
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			g.log.Error("accepting", "address", k.Addr().String(), "error", err, "retry", pause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s := k.take()
		if s == nil {
			c.Close()
			continue
		}
		from, ok := g.crowd.enter(c)
		if !ok {
			who := gate.Caller{Address: addressText(c)}
			c.Close()
			g.turnAway(s, who)
			continue
		}
		go s.serve(c, func() { g.crowd.leave(from); s.conns.Done() })
	}
}

// turnAway puts on record that a connection was one too many. Nobody waits for that: a
// disk that hangs must not end what goes through. While maxRefusals records hang, the
// others are counted, as those of a flood are.
func (g *Guard) turnAway(s *served, who gate.Caller) {
	select {
	case g.turned <- struct{}{}:
		go func() {
			defer s.conns.Done()
			defer func() { <-g.turned }()
			s.refused(who, errCrowded)
		}()
	default:
		g.refusals.Add(1)
		g.flood.skip()
		s.conns.Done()
	}
}

var errCrowded = errors.New("there are too many connections")

// A crowd counts open connections, all of them and by the address that they come from.
type crowd struct {
	mu       sync.Mutex
	max, per int
	all      int
	by       map[netip.Addr]int
}

func newCrowd(all, per int) *crowd { return &crowd{max: all, per: per, by: map[netip.Addr]int{}} }

// enter counts a connection, unless there are too many.
func (w *crowd) enter(c net.Conn) (from netip.Addr, ok bool) {
	from = addressOf(c.RemoteAddr()).Addr() // the zero Addr for all Unix sockets
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= w.max || from.IsValid() && w.by[from] >= w.per {
		return from, false
	}
	w.all++
	w.by[from]++
	return from, true
}

func (w *crowd) leave(from netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all--
	if w.by[from]--; w.by[from] == 0 {
		delete(w.by, from)
	}
}

// bound changes the bounds; who is there already stays.
func (w *crowd) bound(all, per int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.max, w.per = all, per
}
