package bundle

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	refreshEvery = 10 * time.Minute       // though nothing was heard: lists are signed anew before they end
	refreshFrom  = time.Second            // the least of it, for lists that live for seconds
	crowd        = 100 * time.Millisecond // in which all machines fetch what all heard of
	retryFrom    = 100 * time.Millisecond
	retryTo      = 10 * time.Second
	patience     = 6 // tries, some seconds, before it is told that full lists lag
)

var errBehind = errors.New("no full list names all that was revoked: servers that read the file let some of them in")

// A Keeper keeps one file. [Keeper.Run] is called once; only one Keeper may have
// the file.
type Keeper struct {
	conf  Config
	heard chan *heard
	lost  chan struct{} // holds a token after a break in what is heard
	done  sync.WaitGroup

	// Of Run's goroutine.
	held    map[string]*held  // by the issuer's key id, in hex
	newest  map[string]*heard // deltas, likewise
	follows map[string]bool   // likewise
	loaded  bool              // the file of the last run was read
	told    bool              // Changed was called
	tries   int               // since all was well
	etag    string            // of the bundle that was taken last, from where
	from    string            // it came

	troubles troubles
}

// held is the full list of one issuer.
type held struct {
	issuer  *x509.Certificate
	state   *crl.State
	der     []byte
	expired bool // told already
}

// heard is a delta that an issuer signed.
type heard struct {
	issuer string
	list   *crl.List
}

// New returns a Keeper, which has done nothing yet. It returns an error if it could
// not know where the lists are.
func New(conf Config) (*Keeper, error) {
	conf, err := conf.normal()
	if err != nil {
		return nil, err
	}
	if _, err := conf.base(0); err != nil {
		return nil, err
	}
	return &Keeper{
		conf: conf, heard: make(chan *heard), lost: make(chan struct{}, 1),
		held: map[string]*held{}, newest: map[string]*heard{}, follows: map[string]bool{},
		troubles: troubles{log: conf.Log},
	}, nil
}

// Run keeps the file until ctx ends, and returns nil then. What cannot be done now
// is tried again, and told once.
func (k *Keeper) Run(ctx context.Context) error {
	defer k.done.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	retry := retryFrom
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.lost:
			timer.Reset(rand.N(crowd))
			continue
		case h := <-k.heard:
			k.newest[h.issuer] = h
			if k.behind() {
				timer.Reset(rand.N(crowd))
			}
			continue
		case <-timer.C:
		}
		err := k.refresh(ctx)
		if ctx.Err() != nil {
			return nil
		}
		behind := k.behind() // the full list is signed after the delta
		if err == nil && behind && k.tries >= patience {
			err = errBehind
		}
		k.troubles.tell(ctx, "fetching the lists", err)
		k.tellExpired(ctx)
		if err != nil || behind {
			k.tries++
			timer.Reset(retry/2 + rand.N(retry/2))
			retry = min(2*retry, retryTo)
			continue
		}
		retry, k.tries = retryFrom, 0
		timer.Reset(k.pause())
	}
}

// behind reports whether a delta revokes what no full list here does.
func (k *Keeper) behind() bool {
	for id, h := range k.newest {
		full := k.held[id]
		if full == nil {
			return true
		}
		if full.state.Number() >= h.list.Number() {
			continue
		}
		for e := range h.list.Entries().All() {
			if _, known := full.state.Lookup(e.Serial); !known && e.Reason != crl.RemoveFromCRL {
				return true
			}
		}
	}
	return false
}

// pause is how long the lists are left alone when nothing is heard: a quarter of
// what is left of the one that ends first, at most.
func (k *Keeper) pause() time.Duration {
	wait := refreshEvery
	for _, h := range k.held {
		wait = min(wait, h.state.NextUpdate().Sub(k.conf.Now())/4)
	}
	wait = max(wait, refreshFrom)
	return wait/2 + rand.N(wait/2)
}

// tellExpired tells of lists that are over, each once.
func (k *Keeper) tellExpired(ctx context.Context) {
	now := k.conf.Now()
	for _, h := range k.held {
		over := now.After(h.state.NextUpdate())
		if over && !h.expired {
			k.conf.Log.ErrorContext(ctx, "a revocation list has expired: servers that read it refuse everyone", "file", k.conf.Path,
				"issuer", h.issuer.Subject.CommonName, "number", h.state.Number(), "next_update", h.state.NextUpdate())
		}
		h.expired = over
	}
}

func idOf(issuer *x509.Certificate) string { return hex.EncodeToString(issuer.SubjectKeyId) }
