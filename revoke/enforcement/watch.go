package enforcement

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/betonica/betonica/store"
)

const (
	watchPace = 20 * time.Millisecond // between two words of a Watch, at least
	watchTick = time.Second           // at most: a party may fall silent
	maxMissed = 100                   // parties that a Progress names
)

// Progress is how far a revocation has come.
type Progress struct {
	Number    int64     // of the last revocation
	RevokedAt time.Time // when its transaction began: at most a commit before it was durable

	Enforcing int // relying parties that have reported such numbers, or later ones
	Waiting   int // connected ones that have not: they have reported something within 2.5 minutes
	Away      int // others that have not

	// Slowest is from RevokedAt to the arrival of the last of the Enforcing's
	// reports. It is negative if that is not known of all of them: a daemon that
	// restarts, or is asked about a revocation of long ago, does not know.
	Slowest time.Duration

	// Missing are those that do not enforce it, the connected ones first, then those
	// heard last: at most 100.
	Missing []RelyingParty

	// AwaySince is when the last of the Away was heard: since then, all of them are
	// silent. Zero if there is none.
	AwaySince time.Time
}

// Done says whether every connected relying party enforces it.
func (p Progress) Done() bool { return p.Waiting == 0 }

// Expected is how many relying parties there are.
func (p Progress) Expected() int { return p.Enforcing + p.Waiting + p.Away }

// A watch follows revocations.
type watch struct {
	number  int64            // the last
	numbers map[string]int64 // by issuer: the last that took certificates of its own
	at      time.Time
	reached map[string]time.Time // by identity; zero: we do not know when
	changed chan struct{}        // holds a token if something changed
	told    chan struct{}        // holds a token if another process has heard something
}

// Watch follows the revocations with CRL numbers from first to last, of which the
// last counts for each issuer whose certificates fell: it yields how far they have
// come, and again when that changes or a second has passed, and ends when every
// connected relying party enforces them, or ctx is done; the last word is always how
// it was in the end. An identity that was itself revoked is not waited for. The
// error wraps [store.ErrNotFound] if no certificate fell under these numbers.
func (e *Registry) Watch(ctx context.Context, first, last int64) iter.Seq2[Progress, error] {
	return func(yield func(Progress, error) bool) {
		w, err := e.watch(ctx, first, last)
		if err != nil {
			yield(Progress{}, err)
			return
		}
		defer e.unwatch(w)
		tick := time.NewTicker(watchTick)
		defer tick.Stop()
		for {
			ended := ctx.Err() != nil
			p := e.progress(w)
			if !yield(p, nil) || p.Done() || ended {
				return
			}
			if err := e.await(ctx, w, tick.C); err != nil {
				yield(Progress{}, err)
				return
			}
		}
	}
}

// await returns when there may be something new to say. A reader that fails while
// ctx ends is no error: the last word is said without it.
func (e *Registry) await(ctx context.Context, w *watch, tick <-chan time.Time) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
			<-time.After(watchPace)
			return nil
		case <-tick:
			return ignoreEnd(ctx, errors.Join(e.settle(ctx), e.catchUp(ctx, watchTick/2)))
		case <-w.told:
			if err := ignoreEnd(ctx, e.catchUp(ctx, time.Hour)); err != nil {
				return err
			}
			<-time.After(readPause)
		}
	}
}

func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// watch begins to follow revocations.
func (e *Registry) watch(ctx context.Context, first, last int64) (*watch, error) {
	w := &watch{number: last, numbers: map[string]int64{}, reached: map[string]time.Time{}, changed: make(chan struct{}, 1), told: make(chan struct{}, 1)}
	for issuer := range e.Signed() {
		number, at, err := e.Store.LastRevoked(ctx, issuer, first, last)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if w.numbers[issuer] = number; at.After(w.at) {
			w.at = at
		}
	}
	if len(w.numbers) == 0 {
		return nil, fmt.Errorf("revocations %d to %d: %w", first, last, store.ErrNotFound)
	}
	e.follow(w) // from now on it is told
	if err := errors.Join(e.settle(ctx), e.catchUp(ctx, 0)); err != nil {
		e.unwatch(w)
		return nil, err
	}
	return w, nil
}

// follow has a watch look at every party, and at all that is heard.
func (e *Registry) follow(w *watch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.parties {
		w.look(p)
	}
	e.watches[w] = true
}

func (e *Registry) unwatch(w *watch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.watches, w)
}

// look notes what a party has come to, under the lock.
func (w *watch) look(p *party) {
	select {
	case w.changed <- struct{}{}:
	default:
	}
	at, known := w.at, true
	for issuer, number := range w.numbers {
		s := p.about(issuer)
		if s == nil || s.Number < number {
			delete(w.reached, p.identity) // it may have been there, and gone back
			return
		}
		known = known && s.before < number
		if s.rose.After(at) {
			at = s.rose
		}
	}
	if _, there := w.reached[p.identity]; there {
		return
	}
	if !known {
		at = time.Time{}
	}
	w.reached[p.identity] = at
}

// progress says how far it has come.
func (e *Registry) progress(w *watch) Progress {
	now, signed := e.Now(), e.Signed()
	out := Progress{Number: w.number, RevokedAt: w.at}
	var missing []RelyingParty
	e.mu.Lock()
	for _, p := range e.parties {
		at, there := w.reached[p.identity]
		switch {
		case !there:
			missing = append(missing, p.view(signed, now))
			continue
		case at.IsZero():
			out.Slowest = -1
		case out.Slowest >= 0:
			out.Slowest = max(out.Slowest, at.Sub(w.at))
		}
		out.Enforcing++
	}
	e.mu.Unlock()
	for _, m := range missing {
		if m.Connected {
			out.Waiting++
			continue
		}
		out.Away++
		if m.LastSeen.After(out.AwaySince) {
			out.AwaySince = m.LastSeen
		}
	}
	sortParties(missing, connectedFirst)
	out.Missing = missing[:min(len(missing), maxMissed)]
	return out
}
