package peer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

// firstWait is how long [Open] waits for a list.
const firstWait = 10 * time.Second

// A Peer judges whoever this machine speaks to. Its methods may be called
// concurrently.
type Peer struct {
	conf  Config
	bases []string // of the addresses that have lists
	allow allow.Peers

	foreign bool // conf.HTTP is the caller's

	known issuers
	own   atomic.Pointer[own]
	live  table

	asking    chan struct{} // a token for each OCSP question under way
	reading   chan struct{} // a token for the long list that is being read
	reporter  *reporter
	relaying  atomic.Bool
	shown     atomic.Pointer[staple]
	renewed   chan struct{} // the machine's own certificate was
	chainless bool          // sweep's: its chain cannot be read
	counts    counters

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open reads the lists from disk, fetches newer ones, and keeps them fresh until
// ctx ends or Close is called. It returns an error if the configuration is wrong
// or the machine's own certificate does not chain to its roots.
//
// It waits for a usable list for ten seconds. Without one the Peer works all the
// same: it asks OCSP, and lets nobody in who is not answered for.
func Open(ctx context.Context, c Config) (*Peer, error) {
	foreign := c.HTTP != nil
	c, peers, err := c.normal()
	if err != nil {
		return nil, err
	}
	p := &Peer{
		conf: c, bases: c.bases(), allow: peers, known: issuers{changed: make(chan struct{}, 1)},
		foreign: foreign, asking: make(chan struct{}, maxAsking), reading: make(chan struct{}, 1), renewed: make(chan struct{}, 1),
	}
	p.reporter = newReporter(p)
	if err := makeState(c.State); err != nil {
		return nil, err
	}
	if err := p.rechain(); err != nil {
		return nil, err
	}
	p.recall()
	for _, k := range p.held() {
		if err := k.load(); err != nil {
			return nil, err
		}
		k.loaded = true
	}
	ctx, p.stop = context.WithCancel(ctx)
	p.first(ctx)
	p.done.Go(func() { p.supervise(ctx) })
	p.done.Go(func() { p.sweep(ctx) })
	if c.Report != "" {
		p.done.Go(func() { p.reporter.run(ctx) })
	}
	if c.Staple {
		p.done.Go(func() { p.keepStapled(ctx) })
	}
	return p, nil
}

// first fetches the lists of the machine's own issuers.
func (p *Peer) first(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	chain := p.own.Load()
	var both sync.WaitGroup
	both.Go(func() { chain.root.fetchRoot(ctx) })
	both.Go(func() { chain.issuing.begin(ctx) }) // both say themselves what is wrong
	both.Wait()
	for _, k := range []*keeper{chain.root, chain.issuing} {
		k.begun = true
		k.remember()
	}
}

// Close stops following the lists, ends relaying, and cuts every connection. What
// tries to connect afterwards is judged by what is known until that is too old.
func (p *Peer) Close() error {
	p.stop()
	p.done.Wait()
	for _, k := range p.held() {
		k.hub.Close()
	}
	p.live.cutAll()
	if !p.foreign {
		p.conf.HTTP.CloseIdleConnections()
	}
	return nil
}

// Number returns the number of the list that is enforced, of the intermediate that
// issued this machine's certificate; 0: none.
func (p *Peer) Number() int64 { return p.own.Load().issuing.number() }

// Fresh returns nil if the lists of this machine's own issuers are good to judge by,
// and otherwise what is wrong with them: then OCSP decides.
func (p *Peer) Fresh() error {
	chain, now := p.own.Load(), p.conf.Now()
	if err := chain.root.fresh(now); err != nil {
		return err
	}
	return chain.issuing.fresh(now)
}

// Connections returns how many connections are open whose other end was let in.
func (p *Peer) Connections() int { return p.live.len() }
