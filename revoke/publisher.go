package revoke

import (
	"context"
	"crypto"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/lint"
	"github.com/betonica/betonica/revoke/stream"
	"github.com/betonica/betonica/store"
)

const (
	maxDeltas   = 10        // a second
	baseAge     = time.Hour // after which the deltas get a newer base
	baseEntries = 1000      // in a delta, at which they do, too
	fullPause   = time.Second
	fullShare   = 10               // a full list is signed for a tenth of the time at most
	retryAfter  = 2 * time.Second  // a list that could not be signed
	fullAge     = 60 * time.Second // how long caches may keep a full list
)

// PublisherConfig is what a [Publisher] is made of.
type PublisherConfig struct {
	Store     *store.DB
	Authority *ca.Authority
	Clock     *Clock

	// Lifetime is from thisUpdate to nextUpdate of our lists: how long peers go on
	// without us at most. 24 h if 0.
	Lifetime time.Duration

	// Heartbeat is how often a delta is signed when nothing happens. 10 s if 0.
	Heartbeat time.Duration

	// MaxBytes has certificates spread over so many lists that none exceeds it: small
	// machines fetch the list that they need, and hold no more. 0: there is the
	// complete list alone. What was once spread stays so, and its lists are signed
	// with each full one: a million revocations cost 40 MiB for each n that was ever
	// in force.
	MaxBytes int

	// Changed is called whenever there are new lists, unless it is nil. It must not wait.
	Changed func()

	Log *slog.Logger

	maxEvent                 int           // bytes of DER; 0: as stream.MaxEvent
	spreadEvery, spreadAfter time.Duration // 0: as the constants
}

// A Publisher signs what was revoked of one issuer's, and serves it: the full list,
// the delta and the stream of deltas. Its handlers may be called concurrently, [Publisher.Run]
// once.
//
// A revocation is in a delta within milliseconds, at most ten deltas a second, and
// in a full list at once unless signing those takes more than a tenth of the time.
// A signed list never states a revocation that is not durable.
type Publisher struct {
	PublisherConfig
	issuer issuer
	linter *lint.Linter
	wake   chan struct{} // holds a token if something was revoked
	full   atomic.Pointer[Document]
	delta  atomic.Pointer[Document]
	shards atomic.Pointer[shards]
	resign atomic.Bool // lists of a new n are wanted
	failed failures
	stream stream.Hub

	// Of Run's goroutine.
	numbers   numbers
	deltaErr  error     // of the last attempt
	base      *Document // the full list that deltas build on
	baseSince time.Time
	revoked   int64 // greatest number of a revocation that was seen
	entries   int   // in the delta
	count     int   // in the full list
	deltaAt   time.Time
	fullAt    time.Time     // when the full list was ready
	took      time.Duration // its signing
	published time.Time     // thisUpdate of the last full list that anybody got; zero: not known
}

// NewPublisher returns a Publisher that serves the full list of the last run, if
// there is one that is still good, and signs one otherwise.
func NewPublisher(ctx context.Context, c PublisherConfig) (*Publisher, error) {
	if c.Lifetime == 0 {
		c.Lifetime = 24 * time.Hour
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = 10 * time.Second
	}
	if c.maxEvent == 0 {
		c.maxEvent = stream.MaxEvent
	}
	if c.spreadEvery == 0 {
		c.spreadEvery, c.spreadAfter = spreadEvery, spreadAfter
	}
	linter, err := lint.NewLinter(c.Authority.Certificate())
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		PublisherConfig: c,
		issuer:          issuer{c.Authority},
		linter:          linter,
		wake:            make(chan struct{}, 1),
		numbers:         numbers{store: c.Store},
	}
	if err := c.Store.AddIssuer(ctx, c.Authority.IssuerID()); err != nil {
		return nil, err
	}
	now, err := c.Clock.Now()
	if err != nil {
		return nil, err
	}
	if p.numbers.last, err = c.Store.CRLNumber(ctx); err != nil {
		return nil, err
	}
	kept, err := c.Store.LatestCRL(ctx, c.Authority.IssuerID(), "full")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	spread, err := c.Store.Shardings(ctx, c.Authority.IssuerID())
	if err != nil {
		return nil, err
	}
	list, ok := p.reuse(kept.DER, now)
	if !ok || len(spread) > 0 { // shards are not kept, and are signed with a full list
		number, err := p.numbers.take(ctx)
		if err != nil {
			return nil, err
		}
		if list = p.signFull(ctx, number); list.doc == nil {
			return nil, list.err
		}
	}
	p.useFull(list)
	return p, p.signDelta(ctx)
}

// reuse returns the full list of the last run, if it is one that our peers would
// take. What it says of itself counts, not what the row says that holds it: a
// number too high would have the deltas leave revocations out. One that is over is
// evidence still of what was published.
func (p *Publisher) reuse(der []byte, now time.Time) (fullList, bool) {
	if len(der) == 0 {
		return fullList{}, false
	}
	list, err := crl.Open(der, p.Authority.Certificate())
	if err == nil && (list.IsDelta() || list.Scope() != nil || list.Number() > p.numbers.last || list.ThisUpdate().After(now.Add(crl.MaxAhead))) {
		err = errors.New("it is not the complete list that we signed last")
	}
	if err != nil {
		p.Log.Warn("the full CRL of the last run is not used", "error", err)
		return fullList{}, false
	}
	p.published = list.ThisUpdate()
	if !now.Before(list.NextUpdate()) {
		return fullList{}, false
	}
	doc := newDocument(der, list.Number(), 0, list.ThisUpdate(), list.NextUpdate())
	return fullList{doc: doc, shards: shards{}, kept: list.Entries().Len()}, true
}

// Health returns why lists are not being renewed, or nil.
func (p *Publisher) Health() error {
	if _, err := p.Clock.Now(); err != nil {
		return store.InTrouble(store.TroubleClock, err)
	}
	return store.InTrouble(store.TroubleLists, p.failed.why())
}

// Full returns the newest full list, Delta the newest delta.
func (p *Publisher) Full() *Document  { return p.full.Load() }
func (p *Publisher) Delta() *Document { return p.delta.Load() }

// issuer makes CRL signatures as a crypto.Signer.
type issuer struct{ *ca.Authority }

func (i issuer) Public() crypto.PublicKey { return i.Certificate().PublicKey }

func (i issuer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return i.SignCRL(digest, opts)
}
