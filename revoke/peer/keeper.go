package peer

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/stream"
)

var errNoList = errors.New("there is no list yet")

// A keeper holds what is known of one issuer's revocations, in memory and on disk,
// and has one goroutine, [keeper.run], that keeps it fresh.
type keeper struct {
	peer   *Peer
	issuer *x509.Certificate
	id     string        // hex of the issuer's key id
	root   bool          // a trust anchor: its list has no deltas, and no stream
	maxAge time.Duration // 0: until nextUpdate

	force    atomic.Pointer[force]
	ahead    atomic.Pointer[crl.List] // newest delta to a full list that is not held yet
	needed   atomic.Int64             // when it was last asked, in Unix nanoseconds
	offered  atomic.Int64             // when the CA was last brought lists, in Unix nanoseconds
	turns    atomic.Int64             // how often the address changed
	catching atomic.Bool              // a full list is being fetched beside the stream
	stale    atomic.Bool              // and that was said
	loaded   bool                     // from disk, before run
	begun    bool                     // fetching, before run
	quiet    bool                     // follow's: nothing new since a silence, and the roots were woken
	patience time.Duration            // follow's: until the first address is tried again
	wake     chan struct{}            // of a root: fetch now
	gone     chan struct{}            // closed when it is forgotten
	hub      stream.Hub               // of neighbours that we relay to

	mu      sync.Mutex // taking a list
	kept    time.Time  // when a delta was written to disk
	delta   *stream.Event
	etag    string // of the full list on disk
	removed bool   // from disk, for good
}

// A force is a state and since when it is enforced.
type force struct {
	state  *crl.State
	number int64
	since  time.Time
	news   int64 // the number that last named something new
}

func newKeeper(p *Peer, issuer *x509.Certificate, root bool) (*keeper, error) {
	if len(issuer.SubjectKeyId) == 0 || !issuer.IsCA {
		return nil, fmt.Errorf("peer: issuer %q has no key id, or is no CA", issuer.Subject)
	}
	k := &keeper{
		peer: p, issuer: issuer, id: hex.EncodeToString(issuer.SubjectKeyId), root: root,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	if !root {
		k.maxAge = p.conf.MaxAge
	}
	k.needed.Store(p.conf.Now().UnixNano())
	return k, nil
}

// is reports whether lists of this issuer are those of a certificate's issuer: its
// name and its key count, of which there may be several certificates.
func (k *keeper) is(issuer *x509.Certificate) bool {
	return k.issuer == issuer || bytes.Equal(k.issuer.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) &&
		bytes.Equal(k.issuer.RawSubject, issuer.RawSubject) && bytes.Equal(k.issuer.SubjectKeyId, issuer.SubjectKeyId)
}

func (k *keeper) name() string { return k.issuer.Subject.CommonName }

func (k *keeper) number() int64 {
	if f := k.force.Load(); f != nil {
		return f.number
	}
	return 0
}

// event says something about this issuer's list.
func (k *keeper) event(kind Kind, url string, err error) {
	k.peer.event(Event{Kind: kind, Issuer: k.name(), Number: k.number(), URL: url, Err: err})
}

// fresh returns nil if absence from the list means anything at this time.
func (k *keeper) fresh(now time.Time) error {
	f := k.force.Load()
	if f == nil {
		return fmt.Errorf("%s: %w", k.name(), errNoList)
	}
	switch s := f.state; {
	case now.After(s.NextUpdate()):
		return fmt.Errorf("%s: the list was good until %s", k.name(), s.NextUpdate().Format(time.RFC3339))
	case k.maxAge > 0 && now.Sub(s.ThisUpdate()) > k.maxAge:
		return fmt.Errorf("%s: the list is of %s, older than %s", k.name(), s.ThisUpdate().Format(time.RFC3339), k.maxAge)
	case now.Before(s.ThisUpdate().Add(-crl.MaxAhead)):
		return fmt.Errorf("%s: the list is of %s, ahead of this machine's clock", k.name(), s.ThisUpdate().Format(time.RFC3339))
	}
	return nil
}

// names reports whether a list that is in force, or a delta ahead of it, revokes a
// certificate, however old that list is.
func (k *keeper) names(serial crl.Serial) error {
	if f := k.force.Load(); f != nil {
		if e, revoked := f.state.Lookup(serial); revoked {
			return fmt.Errorf("%w (%s)", ErrRevoked, e.Reason)
		}
	}
	if k.foreseen(serial) {
		return ErrRevoked
	}
	return nil
}

func (k *keeper) foreseen(serial crl.Serial) bool {
	delta := k.ahead.Load()
	if delta == nil {
		return false
	}
	e, named := delta.Entries().Lookup(serial)
	return named && e.Reason != crl.RemoveFromCRL
}
