package enforcement

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// A Reporter is who reports. That he is who he says was proved before.
type Reporter struct {
	Identity  string // path
	Address   netip.Addr
	RequestID string
}

// A Report says what a relying party enforces.
type Report struct {
	Issuer      string        // key identifier, in hex, of the list's issuer
	Number      int64         // CRL number of the list that it refuses by
	EnforcedAt  time.Time     // since when, by its own clock
	Connections int64         // that it holds open
	MaxAge      time.Duration // of a list that it takes: full seconds, a year at most; 0: it does not say
}

const maxAgeMost = 366 * 24 * time.Hour

// Errors of reports, beside [*AheadError].
var (
	// ErrReport wraps what makes no sense.
	ErrReport = errors.New("this is no report")
	// ErrOtherIssuer refuses a report about somebody else's list.
	ErrOtherIssuer = errors.New("the issuer is none of this CA's")
	// ErrTooMany refuses a report of a new relying party while 100,000 are connected.
	ErrTooMany = errors.New("there are too many relying parties")
)

// Report hears what a relying party enforces. A number lower than the one before is
// taken as what it is, a restart from an old state, and counts as lagging. A number
// above the newest that was signed changes nothing: it is refused with an
// [*AheadError], and put on record. The other errors are [ErrReport],
// [ErrOtherIssuer] and [ErrTooMany].
func (e *Registry) Report(ctx context.Context, by Reporter, r Report) error {
	now := e.Now()
	if err := r.check(e.offset.there(now)); err != nil { // our clock may be the wrong one
		return err
	}
	newest, err := e.newest(ctx, r)
	if err != nil {
		return err
	}
	if r.Number > newest {
		return e.refuse(ctx, by, r, &AheadError{r.Number, newest})
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.parties[by.Identity].aboutOrNil(r.Issuer)
	if e.parties[by.Identity] == nil && !e.room(now) {
		return ErrTooMany
	}
	lagging := e.lagging(before, r.Issuer, r.Number, now)
	e.alarm(ctx, by.Identity, before, r, newest, lagging)
	if revoked := e.revoked.Load(); r.Number >= revoked && (before == nil || before.Number < revoked) {
		e.hurry() // somebody may wait for this
	}
	if e.hear(store.EnforcementReport{
		Identity: by.Identity, Issuer: r.Issuer, Number: r.Number, Reported: now, Enforced: r.EnforcedAt, FirstSeen: now,
		Address: text(by.Address), Connections: r.Connections, MaxAge: r.MaxAge.Truncate(time.Second),
	}, lagging) {
		e.unkept[by.Identity] = true
	}
	return nil
}

// check refuses what no clock and no counter can have said.
func (r Report) check(now time.Time) error {
	switch {
	case r.Issuer == "":
		return fmt.Errorf("%w: it names no issuer", ErrReport)
	case r.Number < 1:
		return fmt.Errorf("%w: number is a CRL number, 1 or more", ErrReport)
	case r.Connections < 0 || r.Connections > math.MaxInt32:
		return fmt.Errorf("%w: connections is how many are open", ErrReport)
	case r.MaxAge < 0 || r.MaxAge > maxAgeMost:
		return fmt.Errorf("%w: max_age is how many seconds old a list may be, a year at most", ErrReport)
	case r.EnforcedAt.Year() < 2000:
		return fmt.Errorf("%w: enforced_at is missing, or long ago", ErrReport)
	case r.EnforcedAt.After(now.Add(crl.MaxAhead)):
		return fmt.Errorf("%w: enforced_at is in the future", ErrReport)
	}
	return nil
}

// newest returns the greatest number that a relying party can hold of an issuer.
// Where other processes sign, too, it is the greatest that was taken or reserved:
// no later revocation gets such a number, since it goes past what is reserved.
func (e *Registry) newest(ctx context.Context, r Report) (int64, error) {
	signed, ours := e.Signed()[r.Issuer]
	switch {
	case !ours:
		return 0, ErrOtherIssuer
	case r.Number <= signed || !e.Store.Shared():
		return signed, nil
	}
	return e.Store.CRLNumber(ctx)
}

func text(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}
