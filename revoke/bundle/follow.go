package bundle

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	backFrom = 200 * time.Millisecond
	backTo   = 30 * time.Second
	pace     = 100 * time.Millisecond // between two deltas; a CA makes no more

	beat        = time.Minute      // in which a stream says something, new or not
	silence     = 30 * time.Second // before its first word, which comes at once: it is held back on its way
	preferred   = 10 * time.Minute // until it is tried again; doubled while that is in vain
	preferredTo = 24 * time.Hour
)

// A follower hears the deltas of one issuer, by the stream, or by polls where that is
// held back. It belongs to its goroutine.
type follower struct {
	*Keeper
	id     string
	issuer *x509.Certificate

	number   int64     // of the delta that was verified last; 0: none
	revoked  []byte    // what that revokes, as it stands there
	base     string    // that is listened to
	tries    int       // how often that failed
	polls    time.Time // until then the stream is left alone
	patience time.Duration
}

// follow begins to wait for the deltas of each CA that is held. A root has none.
func (k *Keeper) follow(ctx context.Context) {
	for id, h := range k.held {
		if k.follows[id] || bytes.Equal(h.issuer.RawIssuer, h.issuer.RawSubject) {
			continue
		}
		k.follows[id] = true
		f := &follower{Keeper: k, id: id, issuer: h.issuer, patience: preferred}
		k.done.Go(func() { f.run(ctx) })
	}
}

// run passes on each delta that says something new as soon as the CA has it, until ctx
// ends or the issuer's certificate does. After a break the lists are fetched: there may
// have been a delta that nobody heard.
func (f *follower) run(ctx context.Context) {
	wait := backFrom
	for ctx.Err() == nil && f.conf.Now().Before(f.issuer.NotAfter) {
		began := time.Now()
		err := f.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > 5*beat { // it worked for a while
			wait, f.patience = backFrom, preferred
		}
		if errors.Is(err, errHeldBack) {
			f.polls, f.patience = time.Now().Add(f.patience), min(2*f.patience, preferredTo)
			continue
		}
		f.troubles.tell(ctx, "following "+f.issuer.Subject.CommonName, err)
		if err == nil {
			wait = backFrom
			continue
		}
		f.tries++
		sleep(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, backTo)
		select {
		case f.lost <- struct{}{}:
		default:
		}
	}
}

// listen hears the stream until it fails, or one poll.
func (f *follower) listen(ctx context.Context) (err error) {
	if f.base, err = f.conf.base(f.tries); err != nil {
		return err
	}
	if time.Now().Before(f.polls) {
		return f.pollPaced(ctx)
	}
	return f.stream(ctx)
}

// hear verifies a delta and passes it on.
func (f *follower) hear(ctx context.Context, der []byte) error {
	list, err := crl.Open(der, f.issuer)
	if err == nil && !list.IsDelta() {
		err = errors.New("a full list where a delta should be")
	}
	if err != nil {
		return fmt.Errorf("the delta of %s: %w", f.issuer.Subject.CommonName, err)
	}
	said, _ := crl.Revoked(der) // it has been read
	f.number, f.revoked = list.Number(), bytes.Clone(said)
	select {
	case f.heard <- &heard{f.id, list}:
	case <-ctx.Done():
	}
	return nil
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
