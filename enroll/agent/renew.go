package agent

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// Renew gets the next certificate, with a new key, puts it in place, runs Exec
// and tells the CA that it is in use; with ifDue only if the CA wants it
// renewed by now. It also makes up for an Exec or a word to the CA that an
// earlier step still owes. It returns the credential that is in place, and
// whether it is a new one.
//
// The error wraps [ErrNotEnrolled] if there is nothing to renew. It is a [*HeldError],
// and c is what is in place, if Exec or Health failed with the new certificate. It is
// a [*DeniedError], with ifDue, while a CA that said no is left alone. What else fails
// once the certificate is in place is an [Event].
func Renew(ctx context.Context, conf Config, ifDue bool) (c *Credential, renewed bool, err error) {
	k, err := newKeeper(conf)
	if err != nil {
		return nil, false, err
	}
	c, renewed, err = k.renew(ctx, ifDue)
	if err != nil {
		return nil, false, k.explain(c, err)
	}
	c, err = k.settleOnce(ctx, c)
	return c, renewed && err == nil, err
}

// explain adds what to do to a no.
func (k *keeper) explain(c *Credential, err error) error {
	if _, ok := errors.AsType[*DeniedError](err); ok || c == nil || !saidNo(err) {
		return err
	}
	return advise(c, err)
}

// renew takes one try. What it renews is the newest certificate, also if that is held
// back: a second one for the same parent would look like a thief's. It returns the
// certificate in place, also with an error.
func (k *keeper) renew(ctx context.Context, ifDue bool) (_ *Credential, renewed bool, err error) {
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	current, err := k.dir.recover()
	if err != nil {
		return nil, false, err
	}
	old := k.dir.newest(current)
	k.clock.raise(old.Certificate.Leaf.NotBefore)
	if ifDue && k.now().Before(old.RenewAfter) {
		return current, false, nil
	}
	if ifDue {
		if err := k.quiet(old); err != nil {
			return current, false, err
		}
	}
	defer func() {
		if err != nil {
			k.stumble(ctx, old, err)
		}
	}()
	if k.now().After(old.NotAfter()) { // or is it the clock?
		if err := k.askTime(ctx, old); err != nil {
			return current, false, err
		}
		if ifDue && k.now().Before(old.RenewAfter) {
			return current, false, nil
		}
	}
	ca, err := k.as(old)
	if err != nil {
		return current, false, err
	}
	defer ca.Close()
	want := record{
		URL: k.client(old.URL).URL, Token: old.record.Token, Proof: old.record.Proof, Parent: old.Serial(), Request: old.record.Request,
	}
	rec, err := k.dir.pending(want, old.Trust().TrustDomain)
	if err != nil {
		return current, false, err
	}
	renew := ca.Renew
	if k.now().After(old.NotAfter()) {
		k.move(ctx, ended, nil)
		renew = ca.RenewLate
	} else {
		k.move(ctx, due, nil)
	}
	req := client.Request{CSR: []byte(rec.CSR), Since: k.since()}
	if req.Attestation, err = k.attest(ctx, ca, rec); err != nil {
		return current, false, err
	}
	got, err := renew(ctx, req)
	if err != nil {
		return current, false, err
	}
	c, err := k.install(ctx, Renewed, rec, got, old.Trust(), req.Since)
	if err != nil {
		return current, false, err
	}
	return c, true, nil
}

// as returns a client that presents c. Where c looks as if it had not begun, or were
// over, the clock may be wrong, and is not what the CA is judged by.
func (k *keeper) as(c *Credential) (*client.Client, error) {
	conf := k.client(c.URL)
	conf.Trust.Roots, conf.Trust.TrustDomain = c.Roots, c.Trust().TrustDomain
	conf.Certificate = &c.Certificate
	if now := k.now(); now.Before(c.Certificate.Leaf.NotBefore) || now.After(c.NotAfter()) {
		conf.Trust.Earliest, _ = k.clock.doubtful()
	}
	return client.New(conf)
}

// askTime makes the CA say what time it is: any answer does.
func (k *keeper) askTime(ctx context.Context, c *Credential) error {
	ca, err := k.as(c)
	if err != nil {
		return err
	}
	defer ca.Close()
	if _, err = ca.Checkpoint(ctx, 0); err != nil {
		if _, answered := errors.AsType[*api.Problem](err); !answered {
			return err
		}
	}
	if _, doubt := k.clock.doubtful(); doubt {
		return errors.New("the CA did not say what time it is, or one that is over: see state.json")
	}
	return nil
}

// settleOnce settles for a caller who does not come back by itself.
func (k *keeper) settleOnce(ctx context.Context, c *Credential) (*Credential, error) {
	c, retry, failed := k.settle(ctx, c)
	var held error
	if h := k.dir.newest(c).record.Held; h != nil && !retry.IsZero() {
		held = &HeldError{Serial: k.dir.newest(c).Serial(), Until: retry, Err: errors.New(h.Why)}
	}
	for _, f := range failed {
		k.report(ctx, f)
		if f.Kind == RolledBack {
			held = f.Err
		}
	}
	return c, held
}

// settle does what c still owes once it is in place: run Exec, and tell the CA, which
// for a certificate that may be rolled back waits for Exec. It tries one that is held
// back again, if it is time. It reports what it did, and returns what is in place then,
// when a certificate that is held back is next tried (zero: there is none), and what
// failed, for the caller to report.
func (k *keeper) settle(ctx context.Context, c *Credential) (_ *Credential, retry time.Time, failed []Event) {
	fail := func(step string, err error) {
		failed = append(failed, Event{Kind: Failed, Credential: c, Step: step, Err: err})
	}
	c, retry, err := k.again(ctx, c)
	if err != nil {
		fail("hook", err)
		return c, retry, failed
	}
	rec, err := readRecord(c.Dir)
	if err != nil {
		fail("read", err)
		return c, retry, failed
	}
	if k.wantsHook() && !rec.HookDone {
		back, err := k.try(ctx, c)
		if held, ok := errors.AsType[*HeldError](err); ok {
			k.move(ctx, disliked, func(s *Status) { s.Why, s.Retry = held.Err.Error(), held.Until })
			failed = append(failed, Event{Kind: RolledBack, Credential: back, Step: "hook", Err: err, Retry: held.Until})
			c, retry, more := k.settle(ctx, back)
			return c, retry, append(failed, more...)
		}
		if err == nil {
			err = k.note(ctx, c, func(r *record) { r.HookDone = true })
		}
		if err != nil {
			fail("hook", err)
		} else {
			k.report(ctx, Event{Kind: HookRan, Credential: c})
		}
		if err != nil && k.dir.before(c, k.now()) != nil {
			return c, retry, failed // it may still be rolled back
		}
	}
	if len(failed) == 0 {
		k.move(ctx, liked, nil)
	}
	if !rec.Confirmed {
		err := k.confirm(ctx, c)
		if err == nil {
			err = k.note(ctx, c, func(r *record) { r.Confirmed = true })
		}
		if err == nil {
			k.report(ctx, Event{Kind: Confirmed, Credential: c})
		} else {
			fail("confirm", err)
		}
	}
	k.save(ctx) // the CA may have said what time it is
	return c, retry, failed
}

// wantsHook reports whether anything runs for a new certificate.
func (k *keeper) wantsHook() bool { return len(k.conf.Exec)+len(k.conf.Health) > 0 }

func (k *keeper) confirm(ctx context.Context, c *Credential) error {
	ca, err := k.as(c)
	if err != nil {
		return err
	}
	defer ca.Close()
	return ca.Confirm(ctx)
}

// note changes c's record, under the lock.
func (k *keeper) note(ctx context.Context, c *Credential, change func(*record)) error {
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return k.dir.note(c, change)
}

// since is how much of the log the directory holds the CA to; 0 if it holds
// nothing that it can read.
func (k *keeper) since() int64 {
	h, err := k.dir.held()
	if err != nil {
		return 0
	}
	return h.head.Size
}

// watch asks the CA for its log's newest checkpoint, and judges it. If the CA wants
// c renewed sooner than it said, c's record says so from then on.
func (k *keeper) watch(ctx context.Context, c *Credential) error {
	ca, err := k.as(c)
	if err != nil {
		return err
	}
	defer ca.Close()
	since := k.since()
	cp, err := ca.Checkpoint(ctx, since)
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Status == http.StatusNotFound {
		return nil // it has none yet
	}
	if err != nil {
		return err
	}
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if at := cp.RenewAfter; !at.IsZero() && at.Before(c.RenewAfter) { // its issuer ends, or the like
		if err := k.dir.note(c, func(r *record) { r.RenewAfter = at }); err != nil {
			return err
		}
	}
	return k.judge(ctx, c, cp, since)
}

// judge holds cp against what the CA said before. A contradiction it reports
// itself; other errors are the caller's. The lock is held.
func (k *keeper) judge(ctx context.Context, c *Credential, cp api.Checkpoint, since int64) error {
	err := k.dir.check(cp, since, c.Trust().TrustDomain)
	if _, ok := errors.AsType[*ForkError](err); ok {
		k.report(ctx, Event{Kind: Forked, Credential: c, Err: err})
		return nil // asking again at once would not help
	}
	if _, ok := errors.AsType[*RecoveryError](err); ok {
		k.report(ctx, Event{Kind: Recovered, Credential: c, Err: err})
		return nil
	}
	return err
}
