package revoke

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/lint"
	"github.com/betonica/betonica/revoke/stream"
	"github.com/betonica/betonica/store"
)

// fullAge is how long caches may keep a full list.
const fullAge = 60 * time.Second

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

	maxEvent                 int                                      // bytes of DER; 0: as stream.MaxEvent
	spreadEvery, spreadAfter time.Duration                            // 0: as the constants
	time                     func(context.Context) (time.Time, error) // by the database's clock; nil: the store's
}

// A Publisher signs what was revoked of one issuer's, and serves it: the full list,
// the delta and the stream of deltas. Its handlers may be called concurrently, [Publisher.Run]
// once.
//
// A revocation is in a delta within milliseconds, at most ten deltas a second, and
// in a full list at once unless signing those takes more than a tenth of the time.
// A signed list never states a revocation that is not durable.
//
// On a store that several processes share, one of them signs each list, and all serve
// it, byte for byte: see the package's doc. A list is on record there before anybody
// gets it.
type Publisher struct {
	PublisherConfig
	issuer issuer
	linter *lint.Linter
	wake   chan struct{} // holds a token if there may be something to do
	full   atomic.Pointer[Document]
	delta  atomic.Pointer[Document]
	shards atomic.Pointer[shards]
	resign atomic.Bool // other full lists are wanted: of a new n, or in place of a refused one
	failed failures
	stream stream.Hub
	news   news
	others *others // what other processes publish; nil: there are none

	// Of Run's goroutine.
	numbers   numbers
	unsure    bool          // something may have been revoked that the news are silent of
	deltaErr  error         // of the last attempt
	base      int64         // number of the full list that deltas build on
	baseSince time.Time     // when it became that
	entries   int           // in the delta
	count     int           // in the full list, about
	deltaAt   time.Time     // when the delta was begun, or taken over
	triedAt   time.Time     // when this process last began to sign one
	deltaTook time.Duration // that
	fullAt    time.Time     // when the full list was ready
	took      time.Duration // its signing
	published time.Time     // thisUpdate of the last full list that anybody got; zero: not known
}

// NewPublisher returns a Publisher that serves the full list of the last run, or of
// another process, if there is one that is still good, and signs one otherwise.
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
	if c.time == nil {
		c.time = c.Store.Time
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
		numbers:         numbers{store: c.Store, beside: c.Store.Shared()},
	}
	if p.numbers.beside {
		p.others = newOthers()
		p.stream.CatchUp = p.catchUp
	}
	if err := c.Store.AddIssuer(ctx, c.Authority.IssuerID()); err != nil {
		return nil, err
	}
	return p, p.begin(ctx)
}

// begin makes sure that there is a list of each kind.
func (p *Publisher) begin(ctx context.Context) error {
	last, err := p.Store.CRLNumber(ctx)
	if err != nil {
		return err
	}
	p.numbers.last = last
	if p.others != nil {
		if err := p.askTime(ctx); err != nil {
			return err
		}
	}
	list := p.takeFull(ctx)
	if list.err != nil {
		return list.err
	}
	p.published = list.published
	complete, err := p.hasShards(ctx, list.shards)
	if err != nil {
		return err
	}
	if list.doc == nil || !complete {
		number, err := p.numbers.take(ctx)
		if err != nil {
			return err
		}
		if list = p.signFull(ctx, number); list.doc == nil {
			return cmp.Or(list.err, errors.New("other daemons publish full CRLs that are of no use here"))
		}
	}
	p.useFull(list)
	p.base, p.baseSince = list.doc.Number, time.Now()
	if p.others == nil {
		return p.signDelta(ctx)
	}
	return p.join(ctx)
}

// Health returns why lists are not being renewed, or nil.
func (p *Publisher) Health() error {
	if p.Store.Lapsed() {
		return errLapsed
	}
	if p.holdsBack() {
		return p.others.offset.wrong()
	}
	if err := p.failed.why(); err != nil {
		return err
	}
	_, err := p.Clock.Now()
	return err
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
