package bundle

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	pollFor  = time.Minute // a CA answers within 25 s
	backFrom = 200 * time.Millisecond
	backTo   = 30 * time.Second
	pace     = 100 * time.Millisecond // between two deltas; a CA makes no more
)

// follow begins to wait for the deltas of each CA that is held. A root has none.
func (k *Keeper) follow(ctx context.Context) {
	for id, h := range k.held {
		if k.follows[id] || bytes.Equal(h.issuer.RawIssuer, h.issuer.RawSubject) {
			continue
		}
		k.follows[id] = true
		k.done.Go(func() { k.listen(ctx, id, h.issuer) })
	}
}

// listen passes on each delta of an issuer as soon as the CA has it, until ctx ends
// or the issuer's certificate does. After a break the lists are fetched: there may
// have been a delta that nobody heard.
func (k *Keeper) listen(ctx context.Context, id string, issuer *x509.Certificate) {
	var after int64
	wait, tries := backFrom, 0
	for ctx.Err() == nil && k.conf.Now().Before(issuer.NotAfter) {
		began := time.Now()
		list, err := k.poll(ctx, id, issuer, after, tries)
		if ctx.Err() != nil {
			return
		}
		k.troubles.tell(ctx, "following "+issuer.Subject.CommonName, err)
		if err != nil {
			tries++
			sleep(ctx, wait/2+rand.N(wait/2))
			wait = min(2*wait, backTo)
			select {
			case k.lost <- struct{}{}:
			default:
			}
			continue
		}
		wait = backFrom
		if list == nil || list.Number() == after {
			sleep(ctx, time.Second-time.Since(began)) // who answers at once with nothing new is no CA
			continue
		}
		after = list.Number()
		select {
		case k.heard <- &heard{id, list}:
		case <-ctx.Done():
		}
		sleep(ctx, pace-time.Since(began))
	}
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

// poll waits for a delta other than the one with this number; nil if none came.
func (k *Keeper) poll(ctx context.Context, id string, issuer *x509.Certificate, after int64, tries int) (*crl.List, error) {
	ctx, cancel := context.WithTimeout(ctx, pollFor)
	defer cancel()
	base, err := k.conf.base(tries)
	if err != nil {
		return nil, err
	}
	url := base + "/crl/" + id + "/poll?after=" + strconv.FormatInt(after, 10)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.conf.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent:
		return nil, nil
	case http.StatusOK:
	default:
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, maxDelta+1))
	if err != nil {
		return nil, err
	}
	if len(der) > maxDelta {
		return nil, fmt.Errorf("GET %s: more than %d bytes", url, maxDelta)
	}
	list, err := crl.Open(der, issuer)
	if err == nil && !list.IsDelta() {
		err = errors.New("a full list where a delta should be")
	}
	if err != nil {
		return nil, fmt.Errorf("the delta of %s: %w", issuer.Subject.CommonName, err)
	}
	return list, nil
}
