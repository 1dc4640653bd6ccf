package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// MaxWait is how long the daemon follows a revocation for one request, at most.
const MaxWait = time.Hour

// A RelyingParty is what is known of one that reports which revocations it
// enforces.
type RelyingParty struct {
	Identity  string    `json:"identity"` // <role>/<name>
	Address   string    `json:"address"`  // where it reported from last
	Number    int64     `json:"number"`   // CRL number that it enforces
	Lag       int64     `json:"lag"`      // numbers that it is behind the newest
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Connected says that it has reported within 2.5 minutes.
	Connected bool `json:"connected"`
	// Lagging says that its list is older than three heartbeats, or went back.
	Lagging bool `json:"lagging"`
	// Connections is how many it holds open.
	Connections int64 `json:"connections"`
}

// RelyingParties are all of them. Parties holds at most 100: those that lag first,
// then those not connected, then those furthest behind.
type RelyingParties struct {
	Known     int `json:"known"`
	Connected int `json:"connected"`
	Lagging   int `json:"lagging"`
	// Refused is how many reports, since the daemon's start, were of numbers that
	// no list has.
	Refused int64          `json:"refused_reports"`
	Parties []RelyingParty `json:"parties"`
	More    int            `json:"more"` // that Parties leaves out
}

// Enforcement is how far a revocation has come.
type Enforcement struct {
	Number    int64     `json:"number"` // CRL number of the revocation
	RevokedAt time.Time `json:"revoked_at"`
	// Enforcing is how many relying parties have reported this number or a later one,
	// Expected how many there are.
	Enforcing int `json:"enforcing"`
	Expected  int `json:"expected"`
	// Waiting is how many of the others are connected, Away how many are not.
	Waiting int `json:"waiting"`
	Away    int `json:"not_connected"`
	// AwaySince is when the last of those was heard: all of them are silent since.
	AwaySince *time.Time `json:"not_connected_since,omitempty"`
	// Slowest is from the revocation to the arrival of the last of the Enforcing's
	// reports, in milliseconds; absent if there is none, or it is not known.
	Slowest *int64 `json:"slowest_ms,omitempty"`
	// Missing are those that do not enforce it: the connected ones first, then those
	// heard last. At most 100.
	Missing []RelyingParty `json:"missing"`
}

// Done says whether every connected relying party enforces it.
func (e Enforcement) Done() bool { return e.Waiting == 0 }

// Enforcement says how far the revocation with this CRL number has come.
func (c *Client) Enforcement(ctx context.Context, number int64) (Enforcement, error) {
	return call[Enforcement](ctx, c, http.MethodGet, "enforcement", url.Values{"number": {strconv.FormatInt(number, 10)}}, nil)
}

// WaitEnforced follows the revocations with CRL numbers from first to last: it yields
// how far they have come, and again when that changes, until every connected relying
// party enforces them or wait is over, at most [MaxWait]. The last word is how it
// was then.
func (c *Client) WaitEnforced(ctx context.Context, first, last int64, wait time.Duration) iter.Seq2[Enforcement, error] {
	return func(yield func(Enforcement, error) bool) {
		q := url.Values{"number": {strconv.FormatInt(last, 10)}, "wait": {wait.String()}}
		if first != last {
			q.Set("from", strconv.FormatInt(first, 10))
		}
		body, err := c.send(ctx, http.MethodGet, "enforcement", q, nil)
		if err != nil {
			yield(Enforcement{}, err)
			return
		}
		defer body.Close()
		for dec := json.NewDecoder(body); ; {
			var e Enforcement
			err := dec.Decode(&e)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Enforcement{}, fmt.Errorf("%w: its answer broke off: %w", ErrUnreachable, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
