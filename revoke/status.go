package revoke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/store"
)

// errPurged reports a serial of which the store has no record any more.
var errPurged = errors.New("the certificate has left the records")

// status says what the store knows. Only its word makes a serial "never issued"; of
// what it purged it knows nothing, which is errPurged.
func (s *Responder) status(ctx context.Context, v *voice, out *ocsp.SingleResponse) error {
	serial, ok := serialOf(out.ID)
	if !ok { // none of ours has another length
		out.Status = ocsp.NeverIssued
		return nil
	}
	from, revocation, err := s.Store.Status(ctx, v.authority.IssuerID(), serial)
	switch {
	case err != nil:
		return err
	case revocation != nil:
		out.Status, out.RevokedAt, out.Reason = ocsp.Revoked, revocation.At, revocation.Reason
	case from == store.Issued:
		out.Status = ocsp.Good
	case from == store.Purged:
		return errPurged
	default:
		out.Status = ocsp.NeverIssued
	}
	return nil
}

// rootStatus says what the root's own list says of an intermediate, be it one that
// issues or not.
func (s *Responder) rootStatus(out *ocsp.SingleResponse) {
	out.Status = ocsp.NeverIssued
	serial, err := crl.SerialOf(out.ID.Serial())
	if err != nil {
		return
	}
	if entry, revoked := s.Root.newest.Load().revoked.Lookup(serial); revoked {
		out.Status, out.RevokedAt, out.Reason = ocsp.Revoked, entry.RevokedAt, int(entry.Reason)
		return
	}
	for _, cert := range s.Issuers.Certificates() {
		if ours, err := crl.SerialOf(cert.SerialNumber.Bytes()); err == nil && serial == ours {
			out.Status = ocsp.Good
		}
	}
}

func serialOf(id ocsp.CertID) (store.Serial, bool) {
	var serial store.Serial
	if len(id.Serial()) != len(serial) {
		return serial, false
	}
	copy(serial[:], id.Serial())
	return serial, true
}

// newAnswer adds the headers of RFC 9919, Section 7.2.
func newAnswer(id ocsp.CertID, body []byte, this, next time.Time) *answer {
	serial, _ := serialOf(id)
	sum := sha256.Sum256(body)
	return &answer{
		serial: serial, certID: string(id.DER()), body: body, until: next,
		etag:     []string{`"` + hex.EncodeToString(sum[:]) + `"`},
		modified: []string{this.UTC().Format(http.TimeFormat)},
		expires:  []string{next.UTC().Format(http.TimeFormat)},
		length:   []string{strconv.Itoa(len(body))},
	}
}

// counts are what [Responder.Counts] reads.
type counts struct{ hits, misses, live, refused, lapsed atomic.Int64 }

// Counts say how answers came about since the start.
type Counts struct {
	Hits    int64 // from the cache
	Misses  int64 // made for it
	Live    int64 // made for one caller, with a nonce or for several certificates
	Refused int64 // not made, for want of a turn
	Lapsed  int64 // not given, since others may have revoked meanwhile
	Kept    int   // in the cache now
}

// Counts returns how answers came about.
func (s *Responder) Counts() Counts {
	c := &s.counts
	return Counts{c.hits.Load(), c.misses.Load(), c.live.Load(), c.refused.Load(), c.lapsed.Load(), s.cache.len()}
}
