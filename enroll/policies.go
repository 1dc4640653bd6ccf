package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Policies holds the policy in force. What is in force is what the store says:
// the one here is a copy, at most as old as the last [Policies.Refresh], and a
// certificate that was decided under an older version is not recorded. Safe for
// concurrent use.
type Policies struct {
	store   *store.DB
	council *council
	log     *slog.Logger
	current atomic.Pointer[ca.Policy]

	mu      sync.Mutex
	changed chan struct{} // closed by advance; nil if nobody waits

	// Of the goroutine of Watch.
	loaded  fileStamp // of the file, when it was last read or written
	written int64     // version that was in force when the file was last found to be it
}

func openPolicies(ctx context.Context, c *council) (*Policies, error) {
	p := &Policies{store: c.store, council: c, log: c.log}
	_, err := p.Refresh(ctx)
	return p, err
}

// Current returns the policy in force. Before one was set it has version 0 and the
// built-in roles.
func (p *Policies) Current() *ca.Policy { return p.current.Load() }

// Refresh reads which policy is in force and returns it.
func (p *Policies) Refresh(ctx context.Context) (*ca.Policy, error) {
	record, err := p.store.CurrentPolicy(ctx)
	if err != nil {
		return nil, err
	}
	if now := p.current.Load(); now != nil && now.Version() == record.Version {
		return now, nil
	}
	policy, err := ca.ParsePolicy("policy", record.Text)
	if err != nil {
		return nil, fmt.Errorf("policy version %d on record: %w", record.Version, err)
	}
	return p.advance(policy.WithVersion(record.Version)), nil
}

// advance puts policy in place unless a newer one is there, and returns the newer
// one of the two.
func (p *Policies) advance(policy *ca.Policy) *ca.Policy {
	for {
		now := p.current.Load()
		if now != nil && now.Version() >= policy.Version() {
			return now
		}
		if p.current.CompareAndSwap(now, policy) {
			p.mu.Lock()
			if p.changed != nil {
				close(p.changed)
				p.changed = nil
			}
			p.mu.Unlock()
			return policy
		}
	}
}

// Changed returns a channel that is closed when another policy comes in force. Who asks
// for it first, and for [Policies.Current] then, misses none.
func (p *Policies) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// AnyVersion is the replaces of a [Policies.Set] that replaces whatever there is.
const AnyVersion = -1

// Set puts a policy in force on all replicas, and its text on record: every
// certificate that is decided but not yet recorded is decided again. A text that
// is in force already changes nothing. filename is what errors in the text are
// reported against; they are the text of an [*api.BadRequestError].
//
// With replaces other than [AnyVersion], Set returns a [*ConflictError] unless
// that version is in force.
//
// A text that lets more through than the one in force takes two people: Set returns a
// [*ConsentError] until they have agreed, on this text in the place of this version. As
// long as there are no two, it is for the CA's own host, and a [*ca.DeniedError] for
// others.
func (p *Policies) Set(ctx context.Context, by Actor, filename string, text []byte, replaces int64) (*ca.Policy, error) {
	policy, err := ca.ParsePolicy(filename, text)
	if err != nil {
		return nil, badRequest("%v", err)
	}
	digest := sha256.Sum256(text)
	for range tries {
		now, err := p.Refresh(ctx)
		if err != nil {
			return nil, err
		}
		if replaces != AnyVersion && now.Version() != replaces {
			return nil, conflictf("policy version %d is in force, not %d", now.Version(), replaces)
		}
		if now.Version() > 0 && now.Digest() == policy.Digest() {
			return now, nil
		}
		next := policy.WithVersion(now.Version() + 1)
		err = p.record(ctx, by, now, next, store.Policy{Version: next.Version(), Text: text, Digest: digest, Actor: by.Name})
		if errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrExists) {
			continue // another replica was faster
		}
		if err != nil {
			return nil, err
		}
		p.log.InfoContext(ctx, "policy in force", "version", next.Version(), "by", by.Name)
		p.tell(ctx, next.Version())
		return p.advance(next), nil
	}
	return nil, conflictf("the policy is being changed by others right now")
}
