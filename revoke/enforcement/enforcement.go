package enforcement

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/store"
)

const (
	silentAfter = 150 * time.Second // a peer reports once a minute at least
	forgetAfter = 30 * 24 * time.Hour
	keepEvery   = 5 * time.Second // reports, where no other process waits for them
	keepBatch   = 500             // reports of one write
	forgetEvery = time.Hour
)

// Config is what a [Registry] is made of.
type Config struct {
	Store *store.DB

	// Signed returns the greatest CRL number that this process has signed for each
	// issuer whose lists it serves, by its key identifier in hex. It is asked at each
	// report.
	Signed func() map[string]int64

	// Heartbeat is the publisher's: a relying party that is three of them behind
	// lags. 10 s if 0.
	Heartbeat time.Duration

	Log *slog.Logger

	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	keepEvery time.Duration                            // 0: as the constants
	time      func(context.Context) (time.Time, error) // by the database's clock; nil: the store's
}

// A Registry knows which revocations the relying parties enforce, by what they
// say themselves, each with its certificate: [Registry.Report] hears them,
// [Registry.Watch] follows one revocation, [Registry.Summary] tells of all.
// Its methods may be called concurrently, Run once. Who may report is not its to
// decide.
//
// It holds at most 100,000 relying parties in memory, and those heard last if there
// are more; who is silent for 30 days, or is no active identity any more, is
// forgotten. A report is in the store within five seconds, which is what a crash
// may lose; peers repeat it within a minute.
//
// Replicas on one PostgreSQL database each hear a part. What one has heard it writes
// within 100 ms, at once if somebody may wait for it, and tells the others: their
// Watches and Summaries count it after about 200 ms, or after a second or two if that
// word was lost. Times are on record by the database's clock, so that replicas' clocks
// may differ. That a party lags is logged by who heard it, and what no list has is put
// on record by one of them; each has metrics of all relying parties.
type Registry struct {
	Config
	revoked atomic.Int64  // greatest number of a revocation since the start
	refused atomic.Int64  // reports of numbers that do not exist
	urgent  chan struct{} // holds a token if reports should be written at once
	deaf    func()        // ends onRevoked
	blind   func()        // ends notice
	id      string        // in notices
	stale   atomic.Bool   // another process has heard something
	offset  offset
	writing sync.Mutex // of who writes to the store: what is under way is there before it is forgotten
	reading sync.Mutex // of who reads what others wrote

	mu      sync.Mutex
	parties map[string]*party // by identity
	unkept  map[string]bool   // identities whose reports are not in the store
	touched map[string]bool   // identities of which something was revoked
	watches map[*watch]bool
	past    map[string][]sample  // by issuer
	lies    map[string]time.Time // by identity: when it was last put on record
	read    time.Time            // the latest report that was read from the store, by its clock
	readAt  time.Time            // when
}

// New returns a Registry that knows what the last run knew.
func New(ctx context.Context, c Config) (*Registry, error) {
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Second
	}
	if c.keepEvery == 0 {
		c.keepEvery = keepEvery
		if c.Store.Shared() {
			c.keepEvery = shareEvery
		}
	}
	if c.time == nil {
		c.time = c.Store.Time
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	e := &Registry{
		Config:  c,
		urgent:  make(chan struct{}, 1),
		id:      rand.Text(),
		parties: map[string]*party{}, unkept: map[string]bool{}, touched: map[string]bool{},
		watches: map[*watch]bool{}, past: map[string][]sample{}, lies: map[string]time.Time{},
	}
	e.deaf, e.blind = c.Store.OnRevoked(e.onRevoked), c.Store.OnNotice(topicReports, e.notice)
	return e, e.refresh(ctx)
}

// Run writes what was reported, and forgets who is silent, until ctx ends; then it
// writes the rest, and returns nil.
func (e *Registry) Run(ctx context.Context) error {
	defer e.deaf()
	defer e.blind()
	keep, beat, forget := time.NewTicker(e.keepEvery), time.NewTicker(e.Heartbeat), time.NewTicker(forgetEvery)
	defer keep.Stop()
	defer beat.Stop()
	defer forget.Stop()
	e.sample(e.Now())
	var failed bool
	for {
		select {
		case <-ctx.Done():
			e.keep(context.WithoutCancel(ctx), &failed)
			return nil
		case <-e.urgent:
			e.keep(ctx, &failed)
		case <-keep.C:
			e.keep(ctx, &failed)
		case <-beat.C:
			e.beat(ctx)
		case <-forget.C:
			e.forget(ctx)
		}
	}
}

// beat is done every heartbeat.
func (e *Registry) beat(ctx context.Context) {
	e.sample(e.Now())
	if err := e.catchUp(ctx, e.Heartbeat); err != nil && ctx.Err() == nil {
		e.Log.ErrorContext(ctx, "reading what other daemons heard", "error", err)
	}
}

// onRevoked notes what was revoked, as the feed tells it.
func (e *Registry) onRevoked(all []store.Revocation, _ bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range all {
		if e.parties[r.Identity] != nil {
			e.touched[r.Identity] = true
		}
	}
	e.revoked.Store(all[len(all)-1].Number)
	e.hurry() // another process may wait for what we have heard already
}

// hurry has the reports written at once, if other processes can read them.
func (e *Registry) hurry() {
	if !e.Store.Shared() {
		return
	}
	select {
	case e.urgent <- struct{}{}:
	default:
	}
}

// keep writes the reports that are not in the store. What cannot be written is
// tried again; the log says so once.
func (e *Registry) keep(ctx context.Context, failed *bool) {
	e.writing.Lock()
	defer e.writing.Unlock()
	written := false
	for batch := range slices.Chunk(e.takeUnkept(), keepBatch) {
		err := e.Store.Relaxed(ctx, func(tx *store.RelaxedTx) {
			for _, r := range batch {
				tx.RecordEnforcement(e.offset.outgoing(r))
			}
		})
		if err != nil {
			e.mu.Lock()
			for _, r := range batch {
				e.unkept[r.Identity] = true
			}
			e.mu.Unlock()
			if !*failed {
				e.Log.ErrorContext(ctx, "keeping what relying parties enforce", "error", err)
			}
		}
		*failed = err != nil
		written = written || err == nil
	}
	if written {
		e.tell(ctx, noticeChanged, "")
	}
}

// takeUnkept returns those reports, in the order in which all processes lock rows.
func (e *Registry) takeUnkept() []store.EnforcementReport {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []store.EnforcementReport
	for identity := range e.unkept {
		p := e.parties[identity]
		if p == nil {
			continue
		}
		for _, s := range p.said {
			all = append(all, s.EnforcementReport)
		}
	}
	clear(e.unkept)
	slices.SortFunc(all, func(a, b store.EnforcementReport) int {
		return strings.Compare(a.Identity+"\x00"+a.Issuer, b.Identity+"\x00"+b.Issuer)
	})
	return all
}

// forget drops who was silent for 30 days.
func (e *Registry) forget(ctx context.Context) {
	e.writing.Lock()
	defer e.writing.Unlock()
	before := e.Now().Add(-forgetAfter)
	e.mu.Lock()
	for identity, p := range e.parties {
		if p.seen().Before(before) {
			delete(e.parties, identity)
		}
	}
	e.mu.Unlock()
	if !e.Store.Eldest() {
		return
	}
	if err := e.Store.PruneEnforcement(ctx, e.offset.there(before)); err != nil && !errors.Is(err, context.Canceled) {
		e.Log.ErrorContext(ctx, "forgetting relying parties", "error", err)
	}
}
