package survey

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
)

// Config says what is read. Store, Now, TrustDomain and Profile are required.
type Config struct {
	Store       *store.DB
	Now         time.Time
	TrustDomain string
	Profile     string // of the run that it is compared with

	Period time.Duration // that records and entries are looked at of; zero: 30 days
	Sample int           // entries that are proved to be in the log; zero: 64
	Whole  bool          // read every entry of the log, too, as an audit does
	Long   time.Duration // of a connection that is too long; zero: a day
	Most   int64         // certificates of an identity; zero: 2

	System compliance.System
	Policy compliance.Policy // as it says; what the store knows of it is filled in

	// Progress is called with how much is done, ten times a second at most and at the end;
	// nil: nobody listens. It is called by one goroutine at a time.
	Progress func(done, total int64)
}

// Read reads the facts, and the proofs of the entries that it drew. Besides a page of
// certificates, and a batch of records for each core, it holds at most [maxPairs] digests,
// [maxCallers] callers and [maxRevoked] serials: some 150 MiB. What changes meanwhile may
// be in one number and not yet in another, but never makes a fault where there is none.
func Read(ctx context.Context, c Config) (*compliance.Facts, *pack.ProofFile, error) {
	c.defaults()
	f := &compliance.Facts{
		At: c.Now.UTC(), Since: c.Now.Add(-c.Period).UTC(), TrustDomain: c.TrustDomain, System: c.System, Policy: c.Policy,
	}
	s := &survey{Config: c, facts: f, evidence: &pack.ProofFile{Entries: []pack.Proof{}}}
	if err := s.plan(ctx); err != nil {
		return nil, nil, err
	}
	if err := together(ctx, s.certificates, s.records, s.rest); err != nil {
		return nil, nil, err
	}
	s.progress.end()
	s.rules()
	return f, s.evidence, nil
}

// together runs several reads at once, and returns the error of the first that failed: it
// ends the others.
func together(ctx context.Context, reads ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, read := range reads {
		wg.Go(func() {
			if err := read(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return ctx.Err()
}

func (c *Config) defaults() {
	if c.Period == 0 {
		c.Period = 30 * 24 * time.Hour
	}
	if c.Sample == 0 {
		c.Sample = 64
	}
	if c.Long == 0 {
		c.Long = 24 * time.Hour
	}
	if c.Most == 0 {
		c.Most = 2
	}
}

// A survey is one run of Read. Each of its parts fills in facts that no other touches.
type survey struct {
	Config
	facts    *compliance.Facts
	evidence *pack.ProofFile
	progress progress

	journals []store.Journal            // that hold records
	revoked  map[store.Serial]time.Time // certificates, and when
	used     map[string]int64           // rules, by name
}

// rest reads what there is little of.
func (s *survey) rest(ctx context.Context) error {
	for _, read := range []func(context.Context) error{s.identities, s.policy, s.log, s.past, s.emergencies, s.reviews, s.alerts, s.enforcement} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rules fills in how often each was used.
func (s *survey) rules() {
	for i, r := range s.facts.Policy.Rules {
		s.facts.Policy.Rules[i].Uses = s.used[r.Name]
	}
}
