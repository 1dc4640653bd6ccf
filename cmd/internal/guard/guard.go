package guard

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/sign"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/store/audit/journal"
)

// A Guard serves routes. Its methods may be called concurrently.
type Guard struct {
	keys    func(*agent.Config) error
	log     *slog.Logger
	now     func() time.Time
	records record.Keeper
	journal *journal.Journal // nil: records go elsewhere
	source  identity
	id      allow.ID
	peer    *peer.Peer
	rules   *rules

	handshakeWithin time.Duration
	handshakes      *crowd        // those that are under way
	crowd           *crowd        // all connections
	turned          chan struct{} // one for each of too many that is being put on record
	links           links
	flood           flood
	refusals        atomic.Int64 // handshakes and connections
	nonces          *sign.Nonces // of signed requests, which no reload forgets

	mu       sync.Mutex // of what follows, and of Reload
	conf     Config
	sockets  map[string]*socket // by Route.address
	meters   map[string]*gate.Meter
	running  bool
	stopped  bool
	ops      net.Listener
	retiring sync.WaitGroup // routes that are gone, with connections that are not
	accepts  sync.WaitGroup

	closers []func() // in reverse order
}

// Options are what a [Guard] is given by the program that it is in.
type Options struct {
	// Records is where records are kept. Default: the journal of Config.Journal.
	Records record.Keeper

	// Keys opens the private keys of a machine whose keys are in no file: it sets Keys
	// and Attest of what is to keep Config.Dir. Default: keys are in files.
	Keys func(*agent.Config) error

	// Log gets what an operator should know. Default: slog.Default().
	Log *slog.Logger

	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// maxNonces bounds the signed requests of six minutes, which is 2,900 a second.
const maxNonces = 1 << 20

// Open takes up the machine's identity, its lists and the rules, and opens all
// listeners; connections wait in them until [Guard.Run]. ctx is that of Run: an agent
// and the following of lists end with it.
func Open(ctx context.Context, c Config, o Options) (*Guard, error) { return openAs(ctx, c, o, nil) }

// openAs opens a guard with an identity; nil: that of the configuration.
func openAs(ctx context.Context, c Config, o Options, who identity) (*Guard, error) {
	c, err := c.normal()
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Keys == nil {
		o.Keys = func(*agent.Config) error { return nil }
	}
	g := &Guard{
		keys: o.Keys, log: o.Log, now: o.Now, records: o.Records, source: who, handshakeWithin: handshakeWithin, handshakes: newCrowd(maxHandshakes, maxFromOne),
		crowd: newCrowd(0, 0), turned: make(chan struct{}, maxRefusals), links: links{all: map[*gate.Link]*use{}}, sockets: map[string]*socket{}, meters: map[string]*gate.Meter{},
		nonces: sign.NewNonces(maxNonces),
	}
	if err := g.open(ctx, c); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *Guard) open(ctx context.Context, c Config) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // lists are followed while connections drain
	g.closers = append(g.closers, stop)
	var url string
	var err error
	if g.source == nil {
		var wait func()
		if g.source, url, wait, err = openIdentity(life, c, g.keys, g.log, g.now); err != nil {
			return fmt.Errorf("taking up the machine's identity: %w", err)
		}
		g.closers = append(g.closers, func() { stop(); wait() })
	}
	if g.id, err = allow.IDOf(g.source.Certificate().Leaf); err != nil {
		return err
	}
	if c.Agent.URL != "" {
		url = c.Agent.URL
	}
	if err := os.MkdirAll(c.State, 0o700); err != nil {
		return err
	}
	if err := g.openRules(life, c, url); err != nil {
		return err
	}
	if err := g.openRecords(life, c, url); err != nil {
		return err
	}
	if g.peer, err = g.openPeer(life, c, url); err != nil {
		return fmt.Errorf("taking up revocation lists: %w", err)
	}
	g.closers = append(g.closers, func() { g.peer.Close() })
	if err := g.openOps(c.Ops); err != nil {
		return err
	}
	if err := g.openRelay(c.Lists.Serve); err != nil {
		return err
	}
	checkFiles(ctx, c.MaxConnections, g.log)
	return g.apply(ctx, c)
}

// openPeer judges everybody that the machine's own CA certified: whom of them a route
// is for, its rules and expectations say.
func (g *Guard) openPeer(ctx context.Context, c Config, url string) (*peer.Peer, error) {
	report := c.Lists.Report
	switch report {
	case "":
		report = url
	case "none":
		report = ""
	}
	return peer.Open(ctx, peer.Config{
		Source: g.source, Allow: []string{"spiffe://" + g.id.TrustDomain() + "/*"}, IDOnly: true,
		URL: c.Lists.URL, OCSP: c.Lists.OCSP, Relays: c.Lists.Relays, Report: strings.TrimSuffix(report, "/"),
		State: filepath.Join(c.State, "lists"), Log: g.log, Now: g.now,
	})
}

// Run serves until ctx ends, and then drains: nothing new is accepted, what is under
// way has Config.Drain to end, and the rest is cut. It returns when all is closed.
func (g *Guard) Run(ctx context.Context) error {
	g.mu.Lock()
	g.running = true
	for _, k := range g.sockets {
		g.accepts.Go(func() { g.accept(k) })
	}
	g.mu.Unlock()
	g.sweep(ctx)
	g.drain()
	g.close()
	return nil
}

// sweepEvery is how often idle connections are looked for, and changed files.
const sweepEvery = time.Second

func (g *Guard) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if d, ok := g.source.(*directory); ok {
			d.refresh(ctx)
		}
		g.rules.refresh(ctx)
		g.links.sweep(g.now())
		g.flush()
	}
}

// flush puts on record how many refusals have no record of their own.
func (g *Guard) flush() {
	n := g.flood.rest(g.now())
	if n == 0 {
		return
	}
	g.mu.Lock()
	var any *served
	for _, k := range g.sockets {
		any = k.current
	}
	g.mu.Unlock()
	if any != nil {
		any.keep(gate.Caller{}, manyMore(n))
	}
}

// drain closes the listeners and waits for what is under way.
func (g *Guard) drain() {
	g.mu.Lock()
	g.stopped = true
	grace, cancel := context.WithTimeout(context.Background(), g.conf.Drain.D)
	defer cancel()
	for _, k := range g.sockets {
		k.Close()
		if s := k.give(nil); s != nil {
			g.retiring.Go(func() { s.retire(grace.Done()) })
		}
	}
	g.mu.Unlock()
	g.log.Info("draining", "connections", g.links.len())
	g.accepts.Wait()
	g.retiring.Wait()
}

func (g *Guard) close() {
	for _, k := range g.sockets {
		k.Close()
	}
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
}

// meter returns what counts a route, which goes on when the route is changed.
func (g *Guard) meter(name string) *gate.Meter {
	m := g.meters[name]
	if m == nil {
		m = new(gate.Meter)
		g.meters[name] = m
	}
	return m
}

// ID returns the machine's SPIFFE ID.
func (g *Guard) ID() allow.ID { return g.id }

// Connections returns how many are open, handshakes that are under way aside.
func (g *Guard) Connections() int { return g.links.len() }

// OpsAddress returns where health and metrics are served; nil: nowhere.
func (g *Guard) OpsAddress() net.Addr {
	if g.ops == nil {
		return nil
	}
	return g.ops.Addr()
}

// Address returns where a route listens; nil: there is no such route.
func (g *Guard) Address(route string) net.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range g.sockets {
		if k.current != nil && k.current.conf.Name == route {
			return k.Addr()
		}
	}
	return nil
}
