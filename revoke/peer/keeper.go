package peer

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	maxList    = 256 << 20 // bytes: five million entries
	keepEvery  = time.Minute
	errorBytes = 200 // of a body, in an error
)

var errNoList = errors.New("there is no list yet")

// A keeper holds what is known of one issuer's revocations, in memory and on disk.
type keeper struct {
	peer   *Peer
	issuer *x509.Certificate
	id     string // hex of the issuer's key id
	maxAge time.Duration
	state  atomic.Pointer[crl.State]
	ahead  atomic.Pointer[crl.List] // newest delta to a full list that is not held yet

	mu   sync.Mutex // taking a list
	kept time.Time  // when a delta was written to disk
}

// openKeeper reads what the last run kept. What does not verify any more is as if
// it were not there.
func openKeeper(p *Peer, issuer *x509.Certificate, maxAge time.Duration) (*keeper, error) {
	if len(issuer.SubjectKeyId) == 0 {
		return nil, fmt.Errorf("peer: issuer %q has no key id", issuer.Subject)
	}
	k := &keeper{peer: p, issuer: issuer, id: hex.EncodeToString(issuer.SubjectKeyId), maxAge: maxAge}
	for _, kind := range []string{"full", "delta"} {
		der, err := os.ReadFile(k.path(kind))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("peer: %w", err)
		}
		if err := k.take(der, false); err != nil && !errors.Is(err, crl.ErrOld) { // a delta that the full list has overtaken
			p.event(Event{Kind: BadList, Issuer: k.name(), Number: k.number(), Err: fmt.Errorf("%s: %w", k.path(kind), err)})
		}
	}
	return k, nil
}

func (k *keeper) name() string { return k.issuer.Subject.CommonName }

func (k *keeper) path(kind string) string {
	return filepath.Join(k.peer.conf.State, k.id+"."+kind+".crl")
}

func (k *keeper) url(file string) string { return k.peer.conf.URL + "/crl/" + k.id + "/" + file }

func (k *keeper) number() int64 {
	if s := k.state.Load(); s != nil {
		return s.Number()
	}
	return 0
}

// fresh returns nil if absence from the list means anything at this time.
func (k *keeper) fresh(now time.Time) error {
	s := k.state.Load()
	switch {
	case s == nil:
		return fmt.Errorf("%s: %w", k.name(), errNoList)
	case now.After(s.NextUpdate()):
		return fmt.Errorf("%s: the list was good until %s", k.name(), s.NextUpdate().Format(time.RFC3339))
	case k.maxAge > 0 && now.Sub(s.ThisUpdate()) > k.maxAge:
		return fmt.Errorf("%s: the list is of %s, older than %s", k.name(), s.ThisUpdate().Format(time.RFC3339), k.maxAge)
	case now.Before(s.ThisUpdate().Add(-crl.MaxAhead)):
		return fmt.Errorf("%s: the list is of %s, ahead of this machine's clock", k.name(), s.ThisUpdate().Format(time.RFC3339))
	}
	return nil
}

// take verifies a list and makes it the one in force: then open connections that
// it names are cut, and it is kept on disk. If anything is wrong with it nothing
// changes.
func (k *keeper) take(der []byte, persist bool) error {
	list, err := crl.Open(der, k.issuer)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.state.Load()
	var state *crl.State
	if old == nil {
		state, err = crl.NewState(list, k.peer.conf.Now())
	} else {
		state, err = old.Accept(list, k.peer.conf.Now())
	}
	if needsFull(err) {
		k.foresee(list)
	}
	if err != nil {
		return err
	}
	k.state.Store(state)
	k.peer.cutRevoked(k, state)
	k.peer.event(Event{Kind: Enforced, Issuer: k.name(), Number: state.Number()})
	if persist {
		k.keep(list, der, old)
	}
	return nil
}

// foresee enforces what a verified delta revokes although the full list that it
// builds on is not held yet: when all peers are to fetch that at once they take
// turns, and a revocation does not wait for its turn. What such a delta does not
// name means nothing.
func (k *keeper) foresee(delta *crl.List) {
	if known := k.ahead.Load(); known != nil && known.Number() >= delta.Number() || delta.Number() <= k.number() {
		return
	}
	k.ahead.Store(delta)
	for _, e := range k.peer.live.named(k.issuer.SubjectKeyId, k.foreseen) {
		k.peer.cut(e, ErrRevoked)
	}
}

func (k *keeper) foreseen(serial crl.Serial) bool {
	delta := k.ahead.Load()
	if delta == nil {
		return false
	}
	e, named := delta.Entries().Lookup(serial)
	return named && e.Reason != crl.RemoveFromCRL
}

// keep writes a list to disk; a delta that says nothing new at most once a
// minute, to spare a machine's flash.
func (k *keeper) keep(list *crl.List, der []byte, old *crl.State) {
	kind := "full"
	if list.IsDelta() {
		kind = "delta"
		news := old == nil
		for e := range list.Entries().All() {
			if _, known := old.Lookup(e.Serial); !known {
				news = true
				break
			}
		}
		if !news && k.peer.conf.Now().Sub(k.kept) < keepEvery {
			return
		}
		k.kept = k.peer.conf.Now()
	}
	if err := writeFile(k.path(kind), der); err != nil {
		k.peer.event(Event{Kind: Persisting, Issuer: k.name(), Number: list.Number(), Err: err})
	}
}

// fetchFull gets the full list, unless the one that is held is the newest.
func (k *keeper) fetchFull(ctx context.Context) error { return k.fetch(ctx, "full.crl") }

// fetch gets a list by its file name and takes it. One that is not newer is no
// error.
func (k *keeper) fetch(ctx context.Context, file string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url(file), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Cache-Control", "no-cache") // a proxy's copy may be of before the revocation
	resp, err := k.peer.conf.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", file, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching %s: %s", k.url(file), resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil {
		return fmt.Errorf("fetching %s: %w", file, err)
	}
	if len(der) > maxList {
		return fmt.Errorf("fetching %s: it is longer than %d bytes", file, maxList)
	}
	if err := k.take(der, true); err != nil && !errors.Is(err, crl.ErrOld) {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
