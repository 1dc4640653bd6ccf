package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// keeper takes one step at a time for one directory. Its methods may be called
// from several goroutines and processes; the directory's lock orders them.
type keeper struct {
	conf  Config
	dir   directory
	clock *clock
	hooks sync.Mutex // Exec is running

	mu     sync.Mutex
	status Status // where it stands
	saved  Status // and what is on disk of that
	shown  string // the code of a request that waits
}

func newKeeper(conf Config) (*keeper, error) {
	conf, err := conf.complete()
	if err != nil {
		return nil, err
	}
	k := &keeper{conf: conf, dir: directory{path: conf.Dir, keys: conf.Keys, disk: disk{step: conf.step}}}
	if k.saved, err = ReadStatus(conf.Dir); err != nil {
		conf.Log.Debug("no state of before", "error", err)
	}
	floor := later(k.saved.Time, buildTime())
	k.clock = newClock(conf.Now, conf.uptime, floor, time.Duration(k.saved.Offset)*time.Second)
	k.status = k.saved
	if s := k.dir.stand(k.saved, k.now(), k.wantsHook()); s != k.saved.State {
		k.status = Status{State: s, Since: k.now().UTC().Truncate(time.Second), Refusals: k.saved.Refusals}
	}
	return k, nil
}

// now is what time it is, as far as is known.
func (k *keeper) now() time.Time { return k.clock.now() }

// Enroll is [EnrollWith] a token alone.
func Enroll(ctx context.Context, conf Config, token api.JoinToken) (*Credential, error) {
	return EnrollWith(ctx, conf, Proof{Token: &token})
}

// EnrollWith gets a first certificate for what the machine shows, puts it in place,
// runs Exec and tells the CA that it is in use. A directory that was enrolled with
// the very same already is left as it is, so that a script may be run again; one that
// holds another certificate gets the new one, if the CA admits that.
//
// Where a person has to approve, it waits for that, also while the CA is away; to stop
// it and to call it again later goes on with the same request.
//
// When it returns nil the certificate is in place and on disk. What fails after
// that, Exec for one, is an [Event].
func EnrollWith(ctx context.Context, conf Config, proof Proof) (*Credential, error) {
	k, err := newKeeper(conf)
	if err != nil {
		return nil, err
	}
	c, err := k.enroll(ctx, proof)
	if err != nil {
		return nil, err
	}
	c, _ = k.settleOnce(ctx, c) // there is none to go back to
	return c, nil
}

// enroll asks until the answer is yes or no.
func (k *keeper) enroll(ctx context.Context, proof Proof) (*Credential, error) {
	proof, err := proof.check(k.conf.Attest != nil)
	if err != nil {
		return nil, err
	}
	var b backoff
	for {
		c, err := k.ask(ctx, proof)
		waits, ok := errors.AsType[*client.PendingError](err)
		switch {
		case err == nil:
			return c, nil
		case ok:
			b = backoff{until: k.now().Add(pollAfter(waits.RetryAfter))}
		case k.stands() == Pending && mayHelp(err):
			k.report(ctx, Event{Kind: Failed, Step: "enroll", Err: err, Retry: b.fail(k.now(), err, 0)})
		default:
			return nil, err
		}
		select {
		case <-time.After(b.until.Sub(k.now())):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pollAfter is how long to wait for a person: what the CA says, within bounds, and a
// little more, so that those who asked together do not come together.
func pollAfter(said time.Duration) time.Duration {
	if said == 0 {
		said = firstBackoff
	}
	said = min(max(said, minBackoff), maxBackoff)
	return said + uniform(0, said/10)
}

// ask takes one try at a first certificate.
func (k *keeper) ask(ctx context.Context, proof Proof) (_ *Credential, err error) {
	want := record{URL: k.conf.URL, Request: k.conf.Request}
	want.Token, want.Proof = proof.names(k.conf.Keys.String())
	if err := k.dir.make(); err != nil {
		return nil, err
	}
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := k.dir.recover()
	same := err == nil && old.record.Token == want.Token && old.record.Proof == want.Proof
	switch {
	case same && k.now().After(old.NotAfter()):
		return nil, fmt.Errorf("%s was enrolled with this before, and its certificate ran out at %s: it needs a new token, made with --replace", k.dir.path, stamp(old.NotAfter()))
	case same:
		return old, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, err // a broken directory is mended by enrolling, but not one of somebody else
	}

	step := func(on signal) {
		if k.stands() != Pending { // or it would be written down again with each try
			k.move(ctx, on, nil)
		}
	}
	step(begun)
	defer func() {
		if err != nil {
			k.stumble(ctx, nil, err)
		}
	}()
	conf := k.client(want.URL)
	if conf.Trust, err = client.Bootstrap(ctx, conf, proof.Root); err != nil {
		return nil, err
	}
	step(trusted)
	conf.Certificate = proof.Birth
	ca, err := client.New(conf)
	if err != nil {
		return nil, err
	}
	defer ca.Close()
	rec, err := k.dir.pending(want, conf.Trust.TrustDomain)
	if err != nil {
		return nil, err
	}
	step(prepared)
	sameCA := old != nil && sharesRoot(old.Roots, conf.Trust.Roots)
	req := client.Request{CSR: []byte(rec.CSR), Token: proof.Token, Role: want.Request.Role, Ask: proof.Ask}
	if sameCA {
		req.Since = k.since()
	}
	if req.Attestation, err = k.attest(ctx, ca, rec); err != nil {
		return nil, err
	}
	got, err := ca.Enroll(ctx, req)
	if err != nil {
		return nil, err
	}
	if !sameCA {
		if err := k.dir.forgetLog(); err != nil {
			return nil, err
		}
	}
	return k.install(ctx, Enrolled, rec, got, conf.Trust, req.Since)
}

// attest has the pending request's key attested, if that is to be.
func (k *keeper) attest(ctx context.Context, ca *client.Client, rec record) (*api.Attestation, error) {
	if k.conf.Attest == nil {
		return nil, nil
	}
	key, err := k.dir.pendingKey()
	if err != nil {
		return nil, err
	}
	return k.conf.Attest(ctx, ca, key, []byte(rec.CSR))
}

// client is the configuration of a client without a certificate.
func (k *keeper) client(url string) client.Config {
	if k.conf.URL != "" {
		url = k.conf.URL
	}
	conf := client.Config{URL: url, Trust: client.Trust{Now: k.now}, DialContext: k.conf.DialContext, Heard: k.heard, Clock: k.conf.Now}
	if earliest, doubt := k.clock.doubtful(); doubt {
		conf.Trust.Earliest = earliest
	}
	return conf
}

// heard takes note of the CA's time.
func (k *keeper) heard(at time.Time) {
	if off, news := k.clock.heard(at); news {
		k.report(context.Background(), Event{Kind: ClockWrong, Err: wrong(off)})
	}
}

// install puts an issued certificate in place, and looks at what came with it.
func (k *keeper) install(ctx context.Context, kind Kind, rec record, got client.Issued, trust client.Trust, since int64) (*Credential, error) {
	if !got.ServerTime.IsZero() {
		k.heard(got.ServerTime)
	}
	c, err := k.dir.install(rec, got, trust, sensible(got.RenewAfter, k.now(), got.Chain[0].NotAfter))
	if err != nil {
		return nil, err
	}
	k.clock.raise(c.Certificate.Leaf.NotBefore)
	k.move(ctx, issued, nil)
	k.report(ctx, Event{Kind: kind, Credential: c})
	if got.Checkpoint != nil {
		if err := k.judge(ctx, c, *got.Checkpoint, since); err != nil {
			k.report(ctx, Event{Kind: Failed, Credential: c, Step: "monitor", Err: err})
		}
	}
	return c, nil
}

// sensible replaces a renewal time that would make the machine renew at once, or
// too late: a clock or a CA is wrong, and must not make it renew in a loop.
func sensible(renewAfter, now, notAfter time.Time) time.Time {
	if renewAfter.After(now) && renewAfter.Before(notAfter) {
		return renewAfter
	}
	return now.Add(notAfter.Sub(now) * 2 / 3).Truncate(time.Second)
}
