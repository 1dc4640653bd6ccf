package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	backoffFrom = 100 * time.Millisecond
	backoffTo   = 10 * time.Second
	missed      = 3                      // heartbeats, before it is an alarm
	jitterMost  = 2 * time.Second        // before everybody fetches the same full list
	soon        = 500 * time.Millisecond // before everybody fetches the same delta
	preferred   = 10 * time.Minute       // until the stream of the first address is tried again; doubled while that is in vain
	preferredTo = 24 * time.Hour
	rootEvery   = time.Hour
	rootRetry   = 10 * time.Second // until there is a root's list, and between looks for a newer one
)

var (
	errPreferred = errors.New("time to try the stream of the first address again")
	errEnded     = errors.New("the stream ended")
	errHeldBack  = errors.New("the stream is held back")
)

// run keeps the issuer's list fresh until ctx ends.
func (k *keeper) run(ctx context.Context) {
	if !k.loaded {
		if err := k.load(); err != nil {
			k.event(BadList, "", err)
		}
		k.remember()
	}
	if k.root {
		if !k.begun {
			k.fetchRoot(ctx)
		}
		k.refresh(ctx)
		return
	}
	if !k.begun {
		k.begin(ctx) // says itself what is wrong
	}
	k.follow(ctx)
}

// follow keeps an intermediate's list fresh by the stream, or by polls where the
// stream is held back on its way, from one address after the other; and by
// fetching in between.
func (k *keeper) follow(ctx context.Context) {
	wait := backoffFrom
	k.patience = preferred
	for ctx.Err() == nil {
		began, before := time.Now(), k.number()
		err := k.listen(ctx)
		if errors.Is(err, errPreferred) {
			k.prefer()
			continue
		}
		if k.first() && k.number() > before && time.Since(began) > preferred {
			k.patience = preferred
		}
		if !k.silent(ctx, err, &wait, began) {
			return
		}
		held, heard := errors.Is(err, errHeldBack), k.number()
		err = k.catchUp(ctx, "delta.crl")
		if err == nil && held && k.number() > heard {
			k.event(Polling, k.base(), nil)
			began = time.Now()
			if err = k.poll(ctx); errors.Is(err, errPreferred) {
				k.prefer()
				continue
			}
			if !k.silent(ctx, err, &wait, began) {
				return
			}
		}
		if len(k.peer.bases) > 1 {
			k.turn()
			err = k.catchUp(ctx, "delta.crl")
		}
		if err != nil && ctx.Err() == nil {
			k.event(BadList, k.base(), err)
		}
	}
}

// silent says that there is nothing new any more, which an issuer that is revoked
// may be the reason of, and waits before the next attempt. It reports whether there
// should be one.
func (k *keeper) silent(ctx context.Context, err error, wait *time.Duration, began time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	if time.Since(began) > missed*k.peer.conf.Heartbeat {
		*wait = backoffFrom // it worked for a while
	}
	k.event(Silent, k.base(), err)
	if !k.quiet {
		k.quiet = true
		k.peer.wakeRoots()
	}
	ok := sleep(ctx, rand.N(*wait))
	*wait = min(2**wait, backoffTo)
	return ok
}

// first reports whether the first address is in use.
func (k *keeper) first() bool { return k.turns.Load()%int64(len(k.peer.bases)) == 0 }

// prefer goes back to the stream of the first address; the next time later, since
// one that is held back makes us deaf for three heartbeats each time.
func (k *keeper) prefer() {
	k.patience = min(2*k.patience, preferredTo)
	if n := int64(len(k.peer.bases)); !k.first() {
		k.turns.Store((k.turns.Load()/n + 1) * n)
		k.event(Switched, k.base(), nil)
	}
}

// watch bounds listening: it ends ctx after three heartbeats without a reset, and
// when it is time to leave a fallback.
func (k *keeper) watch(ctx context.Context, fallback bool) (_ context.Context, reset, stop func()) {
	silence := missed * k.peer.conf.Heartbeat
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(silence, func() {
		cancel(fmt.Errorf("%w: nothing new for %d heartbeats of %s", errHeldBack, missed, k.peer.conf.Heartbeat))
	})
	var back *time.Timer
	if fallback {
		back = time.AfterFunc(k.patience, func() { cancel(errPreferred) })
	}
	return ctx, func() { timer.Reset(silence); k.quiet = false }, func() {
		timer.Stop()
		if back != nil {
			back.Stop()
		}
		cancel(nil)
	}
}

// refresh fetches a root's list hourly, and when it is woken, until the CA has
// answered. It changes once a year, or on a bad day.
func (k *keeper) refresh(ctx context.Context) {
	pause := min(rootRetry, k.peer.conf.MaxAge, missed*k.peer.conf.Heartbeat)
	for ok := true; ; {
		wait := rootEvery
		if !ok || k.fresh(k.peer.conf.Now()) != nil {
			wait = pause
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-k.wake:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
		ok = k.fetchRoot(ctx)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// fetchRoot asks all addresses for a root's list: it has no heartbeats to show
// that somebody holds a newer one back. It reports whether the last one, the CA,
// has answered.
func (k *keeper) fetchRoot(ctx context.Context) (ok bool) {
	bases := k.peer.bases
	for i, base := range bases {
		within, cancel := context.WithTimeout(ctx, catchUpWithin)
		if deadline, ok := ctx.Deadline(); ok {
			cancel()
			within, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(bases)-i))
		}
		err := k.fetch(within, base+"/crl/"+k.id+"/full.crl")
		if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			k.event(BadList, base, err)
		}
		cancel()
		ok = err == nil
	}
	return ok
}

// wakeRoots has the lists of all roots fetched.
func (p *Peer) wakeRoots() {
	for _, k := range p.held() {
		if k.root {
			select {
			case k.wake <- struct{}{}:
			default:
			}
		}
	}
}

// sleep waits, and reports whether ctx is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
