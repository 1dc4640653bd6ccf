package agent

import (
	"context"
	"errors"
	"net/http"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// Renew gets the next certificate, with a new key, puts it in place, runs Exec
// and tells the CA that it is in use; with ifDue only if the CA wants it
// renewed by now. It also makes up for an Exec or a word to the CA that an
// earlier step still owes. It returns the credential that is in place, and
// whether it is a new one.
//
// The error wraps [ErrNotEnrolled] if there is nothing to renew. What fails once
// the certificate is in place is an [Event].
func Renew(ctx context.Context, conf Config, ifDue bool) (c *Credential, renewed bool, err error) {
	k, err := newKeeper(conf)
	if err != nil {
		return nil, false, err
	}
	c, renewed, err = k.renew(ctx, ifDue)
	if err != nil {
		return nil, false, err
	}
	k.settleOnce(ctx, c)
	return c, renewed, nil
}

func (k *keeper) renew(ctx context.Context, ifDue bool) (*Credential, bool, error) {
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	old, err := k.dir.recover()
	if err != nil {
		return nil, false, err
	}
	if ifDue && k.conf.Now().Before(old.RenewAfter) {
		return old, false, nil
	}
	ca, err := k.as(old)
	if err != nil {
		return nil, false, err
	}
	defer ca.Close()
	want := record{URL: k.client(old.URL).URL, Token: old.record.Token, Parent: old.Serial(), Request: old.record.Request}
	rec, err := k.dir.pending(want, old.Trust().TrustDomain)
	if err != nil {
		return nil, false, err
	}
	since := k.since()
	issued, err := ca.Renew(ctx, client.Request{CSR: []byte(rec.CSR), Since: since})
	if err != nil {
		return nil, false, err
	}
	c, err := k.install(ctx, Renewed, rec, issued, old.Trust(), since)
	return c, err == nil, err
}

// as returns a client that presents c.
func (k *keeper) as(c *Credential) (*client.Client, error) {
	conf := k.client(c.URL)
	conf.Trust.Roots, conf.Trust.TrustDomain = c.Roots, c.Trust().TrustDomain
	conf.Certificate = &c.Certificate
	return client.New(conf)
}

// settleOnce settles for a caller who does not come back by itself.
func (k *keeper) settleOnce(ctx context.Context, c *Credential) {
	for _, failed := range k.settle(ctx, c) {
		k.report(ctx, failed)
	}
}

// settle does what c still owes once it is in place: run Exec, and tell the CA.
// It reports what it did, and returns what failed for the caller to report.
func (k *keeper) settle(ctx context.Context, c *Credential) (failed []Event) {
	fail := func(step string, err error) {
		failed = append(failed, Event{Kind: Failed, Credential: c, Step: step, Err: err})
	}
	rec, err := readRecord(c.Dir)
	if err != nil {
		fail("read", err)
		return failed
	}
	if len(k.conf.Exec) > 0 && !rec.HookDone {
		err := k.runHook(ctx, c, ChangedCertificate)
		if err == nil {
			err = k.note(ctx, c, func(r *record) { r.HookDone = true })
		}
		if err == nil {
			k.report(ctx, Event{Kind: HookRan, Credential: c})
		} else {
			fail("hook", err)
		}
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
	return failed
}

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
