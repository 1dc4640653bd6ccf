package agent

import (
	"context"
	"fmt"
	"time"
)

// hold says why a generation is not in place, and when it is tried again.
type hold struct {
	Failures int       `json:"failures"`
	Until    time.Time `json:"until"`
	Why      string    `json:"why"`
}

// enough is what must be left of a certificate that another one gives way to.
const enough = time.Minute

// newest returns the generation that is renewed next: the one in place, or one after
// it that is held back.
func (d directory) newest(current *Credential) *Credential {
	numbers, err := d.generations()
	if err != nil {
		return current
	}
	for _, n := range numbers {
		if n <= current.Generation {
			break
		}
		if c, err := d.generation(n); err == nil {
			return c
		}
	}
	return current
}

// before returns the generation that c renewed, or that one's, if it is on disk, good
// for a while, and not held back itself; nil if there is none. A certificate that was
// bought with a new token has none before it: that one may be revoked.
func (d directory) before(c *Credential, now time.Time) *Credential {
	numbers, err := d.generations()
	if err != nil {
		return nil
	}
	parent := c.record.Parent
	for _, n := range numbers {
		if n >= c.Generation || parent == "" {
			continue
		}
		old, err := d.generation(n)
		if err != nil || old.Serial() != parent {
			continue
		}
		if old.record.Held == nil && old.NotAfter().Sub(now) > enough {
			return old
		}
		parent = old.record.Parent
	}
	return nil
}

// rollBack puts old back in the place of c, which failed. A crash in between leaves
// either of them in place, and Exec to be run for it.
func (d directory) rollBack(c, old *Credential, h hold) (*Credential, error) {
	if err := d.note(old, func(r *record) { r.HookDone = false }); err != nil {
		return nil, err
	}
	if err := d.note(c, func(r *record) { r.Held = &h }); err != nil {
		return nil, err
	}
	return d.point(old.Generation)
}

// stage puts c, which was held back, in place.
func (d directory) stage(c *Credential) (*Credential, error) {
	if err := d.note(c, func(r *record) { r.Held, r.HookDone, r.Tries = nil, false, c.record.Held.Failures }); err != nil {
		return nil, err
	}
	return d.point(c.Generation)
}

// A HeldError reports a new certificate that is not in use: Exec or Health failed with
// it, and the one of before is back in place. It is tried again by itself, by a running
// [Agent] or the next [Renew].
type HeldError struct {
	Serial string
	Until  time.Time // when it is tried again
	Err    error
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("the new certificate %s is held back, and the one of before is in place: %v", e.Serial, e.Err)
}

func (e *HeldError) Unwrap() error { return e.Err }

// try runs Exec and Health for c. If they fail, and there is a certificate of before
// that is good, that one is put back in place and the error is a [*HeldError].
func (k *keeper) try(ctx context.Context, c *Credential) (*Credential, error) {
	err := k.runHook(ctx, c, ChangedCertificate)
	if err == nil {
		err = k.healthy(ctx, c)
	}
	if err == nil || ctx.Err() != nil { // told to stop: nobody knows yet
		return c, err
	}
	unlock, lockErr := k.dir.lock(ctx)
	if lockErr != nil {
		return c, err
	}
	defer unlock()
	now := k.now()
	rec, readErr := readRecord(c.Dir)
	old := k.dir.before(c, now)
	if readErr != nil || old == nil || !k.dir.isCurrent(c) {
		return c, err
	}
	b := backoff{failures: rec.Tries}
	h := hold{Failures: rec.Tries + 1, Until: b.fail(now, err, old.NotAfter().Sub(now)).UTC().Truncate(time.Second), Why: err.Error()}
	back, rollErr := k.dir.rollBack(c, old, h)
	if rollErr != nil {
		return c, fmt.Errorf("%w; and it cannot be rolled back: %w", err, rollErr)
	}
	return back, &HeldError{Serial: c.Serial(), Until: h.Until, Err: err}
}

// isCurrent reports whether c is in place.
func (d directory) isCurrent(c *Credential) bool {
	n, err := currentGeneration(d.path)
	return err == nil && n == c.Generation
}

// again puts a generation that is held back in place once more, if its time has come
// or that of c, which stands in for it, is over. It returns what is in place, and when
// the next try is due; zero if nothing is held back.
func (k *keeper) again(ctx context.Context, c *Credential) (*Credential, time.Time, error) {
	h := k.dir.newest(c)
	if h == c || h.record.Held == nil {
		return c, time.Time{}, nil
	}
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return c, time.Time{}, err
	}
	defer unlock()
	if !k.dir.isCurrent(c) {
		return c, time.Time{}, nil // another process was faster
	}
	until := h.record.Held.Until
	if end := c.NotAfter().Add(-enough); end.Before(until) || !k.wantsHook() { // which would fail or not
		until = end
	}
	if k.now().Before(until) {
		return c, until, nil
	}
	staged, err := k.dir.stage(h)
	if err != nil {
		return c, time.Time{}, err
	}
	k.move(ctx, issued, nil)
	return staged, time.Time{}, nil
}
