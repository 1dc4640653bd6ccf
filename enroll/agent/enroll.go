package agent

import (
	"context"
	"encoding/hex"
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
	hooks sync.Mutex // Exec is running
}

func newKeeper(conf Config) (*keeper, error) {
	conf, err := conf.complete()
	if err != nil {
		return nil, err
	}
	return &keeper{conf: conf, dir: directory{path: conf.Dir, keys: conf.Keys, disk: disk{step: conf.step}}}, nil
}

// Enroll buys a certificate with token, puts it in place, runs Exec and tells
// the CA that it is in use. A directory that was enrolled with this very token
// already is left as it is, so that a script may be run again; one that holds
// another certificate gets the new one, if the token is made for that.
//
// When it returns nil the certificate is in place and on disk. What fails after
// that, Exec for one, is an [Event].
func Enroll(ctx context.Context, conf Config, token api.JoinToken) (*Credential, error) {
	k, err := newKeeper(conf)
	if err != nil {
		return nil, err
	}
	c, err := k.enroll(ctx, token)
	if err != nil {
		return nil, err
	}
	k.settleOnce(ctx, c)
	return c, nil
}

func (k *keeper) enroll(ctx context.Context, token api.JoinToken) (*Credential, error) {
	id := token.ID()
	want := record{URL: k.conf.URL, Token: hex.EncodeToString(id[:]), Request: k.conf.Request}
	if err := k.dir.make(); err != nil {
		return nil, err
	}
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := k.dir.recover()
	switch {
	case err == nil && old.record.Token == want.Token && k.conf.Now().After(old.NotAfter()):
		return nil, fmt.Errorf("%s was enrolled with this token, and its certificate ran out at %s: it needs a new token, made with --replace", k.dir.path, stamp(old.NotAfter()))
	case err == nil && old.record.Token == want.Token:
		return old, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, err // a broken directory is mended by enrolling, but not one of somebody else
	}

	conf := k.client(want.URL)
	if conf.Trust, err = client.Bootstrap(ctx, conf, token.Root); err != nil {
		return nil, err
	}
	ca, err := client.New(conf)
	if err != nil {
		return nil, err
	}
	defer ca.Close()
	rec, err := k.dir.pending(want, conf.Trust.TrustDomain)
	if err != nil {
		return nil, err
	}
	var since int64
	sameCA := old != nil && sharesRoot(old.Roots, conf.Trust.Roots)
	if sameCA {
		since = k.since()
	}
	issued, err := ca.Enroll(ctx, client.Request{Token: &token, CSR: []byte(rec.CSR), Since: since})
	if err != nil {
		return nil, err
	}
	if !sameCA {
		if err := k.dir.forgetLog(); err != nil {
			return nil, err
		}
	}
	return k.install(ctx, Enrolled, rec, issued, conf.Trust, since)
}

// client is the configuration of a client without a certificate.
func (k *keeper) client(url string) client.Config {
	if k.conf.URL != "" {
		url = k.conf.URL
	}
	return client.Config{URL: url, Trust: client.Trust{Now: k.conf.Now}, DialContext: k.conf.DialContext}
}

// install puts an issued certificate in place, and looks at what came with it.
func (k *keeper) install(ctx context.Context, kind Kind, rec record, issued client.Issued, trust client.Trust, since int64) (*Credential, error) {
	now := k.conf.Now()
	c, err := k.dir.install(rec, issued, trust, sensible(issued.RenewAfter, now, issued.Chain[0].NotAfter))
	if err != nil {
		return nil, err
	}
	k.report(ctx, Event{Kind: kind, Credential: c})
	if skew := now.Sub(issued.ServerTime); skew.Abs() > maxSkew && !issued.ServerTime.IsZero() {
		k.report(ctx, Event{Kind: ClockWrong, Credential: c, Err: fmt.Errorf("this machine's clock is %s off the CA's", skew.Round(time.Second))})
	}
	if issued.Checkpoint != nil {
		if err := k.judge(ctx, c, *issued.Checkpoint, since); err != nil {
			k.report(ctx, Event{Kind: Failed, Credential: c, Step: "monitor", Err: err})
		}
	}
	return c, nil
}

// maxSkew is how far the clocks may be apart without a word: it is also how far
// certificates are backdated.
const maxSkew = 5 * time.Minute

// sensible replaces a renewal time that would make the machine renew at once, or
// too late: a clock or a CA is wrong, and must not make it renew in a loop.
func sensible(renewAfter, now, notAfter time.Time) time.Time {
	if renewAfter.After(now) && renewAfter.Before(notAfter) {
		return renewAfter
	}
	return now.Add(notAfter.Sub(now) * 2 / 3).Truncate(time.Second)
}
