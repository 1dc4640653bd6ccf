package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// A RequestID is how a request for approval is known. It is no secret.
type RequestID [16]byte

// ParseRequestID reads the 32 hex digits that [RequestID.String] writes.
func ParseRequestID(s string) (RequestID, error) {
	id, err := ParseSerial(s)
	if err != nil {
		return RequestID{}, fmt.Errorf("request id %.64q: want 32 hex digits", s)
	}
	return RequestID(id), nil
}

// String returns the id as 32 lower-case hex digits.
func (id RequestID) String() string { return hex.EncodeToString(id[:]) }

// A Request is a machine that waits for a person to say who it is. There is one for
// each public key.
type Request struct {
	ID    RequestID
	SPKI  [32]byte // SHA-256 of the SubjectPublicKeyInfo
	CSR   []byte   // PEM or DER, as it asked first
	Nonce []byte
	Code  string // of key and nonce, which the machine shows

	Role    string // asked for
	Network string // that it is counted in; one of a site is called "SITE PART"
	Address string // that it asked from first
	Proofs  string // what else it has shown, joined by +; empty: nothing

	Created, Expires time.Time

	// State is what was decided. That it has lapsed is for [Request.Lapsed] to say.
	State RequestState
	// Identity is the path that was approved; before, the one that what else it has
	// shown is of; empty: none.
	Identity string
	Replace  bool // approved for an identity that has enrolled, to supersede what it holds

	DecidedBy string
	Decided   *time.Time
}

// Lapsed reports whether the request is out of time.
func (q Request) Lapsed(now time.Time) bool { return !now.Before(q.Expires) }

// A RequestState is where a request is in its life.
type RequestState string

// The states of a request. Waiting leads to approved and denied, approved to denied
// and used, and nothing else anywhere.
const (
	RequestWaiting  RequestState = "waiting"
	RequestApproved RequestState = "approved"
	RequestDenied   RequestState = "denied"
	RequestUsed     RequestState = "used" // the certificate is on record
)

// InsertRequest demands that the key has no request, or one that has lapsed, which goes,
// and that fewer than perNetwork requests wait in q.Network, fewer than perSite in all
// networks of its site, if it is one of a site, and fewer than perRole for q.Role. It
// records q as waiting. The error is [ErrQueueFull], also where the key has a request: who
// wants to know which, reads.
//
// Each replica counts what is on record when it inserts: n of them, at one instant, may
// go beyond a bound by n times.
func (t *Tx) InsertRequest(q Request, perNetwork, perSite, perRole int) {
	from, to := siteOf(q.Network)
	t.demand(1, ErrQueueFull, `
		INSERT INTO requests (id, spki, csr, nonce, code, role, network, address, proofs, created_at, expires_at, state, identity, replaces, decided_by, decided_at)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'waiting', $12, FALSE, '', 0
		WHERE (SELECT count(*) FROM requests q WHERE q.state = 'waiting' AND q.network = $13 AND q.expires_at > $14) < $15
		AND (SELECT count(*) FROM requests q WHERE q.state = 'waiting' AND q.network >= $16 AND q.network < $17 AND q.expires_at > $18) < $19
		AND (SELECT count(*) FROM requests q WHERE q.state = 'waiting' AND q.role = $20 AND q.expires_at > $21) < $22
		ON CONFLICT (spki) DO UPDATE SET
			id = excluded.id, csr = excluded.csr, nonce = excluded.nonce, code = excluded.code, role = excluded.role,
			network = excluded.network, address = excluded.address, proofs = excluded.proofs,
			created_at = excluded.created_at, expires_at = excluded.expires_at, state = excluded.state,
			identity = excluded.identity, replaces = excluded.replaces, decided_by = excluded.decided_by, decided_at = excluded.decided_at
		WHERE requests.expires_at <= excluded.created_at`,
		q.ID[:], q.SPKI[:], q.CSR, q.Nonce, q.Code, q.Role, q.Network, q.Address, q.Proofs, t.millis(), q.Expires.UnixMilli(), q.Identity,
		q.Network, t.millis(), perNetwork, from, to, t.millis(), perSite, q.Role, t.millis(), perRole)
}

// siteOf returns the range, without its end, that the names of all networks are in which
// are of one site with this one; an empty one for a network of none.
func siteOf(network string) (from, to string) {
	site, _, ok := strings.Cut(network, " ")
	if !ok {
		return "", ""
	}
	return site + " ", site + "!" // the character after the blank
}

// ApproveRequest demands that the request is of that key, waiting and in time, and that
// the identity is one to be enrolled: pending, or active to replace what it holds, or not
// there yet if it is the request's own. It approves the request for that identity, for at
// least so long. The error is [ErrStale]: of any number of callers, on any number of
// replicas, one decides.
func (t *Tx) ApproveRequest(id RequestID, spki [32]byte, path string, replace bool, by string, atLeast time.Duration) {
	t.demand(1, ErrStale, `
		UPDATE requests SET state = 'approved', identity = $1, replaces = $2, decided_by = $3, decided_at = $4,
			expires_at = CASE WHEN expires_at < $5 THEN $5 ELSE expires_at END
		WHERE id = $6 AND spki = $7 AND state = 'waiting' AND expires_at > $8
		AND (EXISTS (SELECT 1 FROM identities i WHERE i.path = $9 AND (i.state = 'pending' OR i.state = 'active' AND $10) {share})
			OR identity = $9 AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.path = $9))`,
		path, replace, by, t.millis(), t.now.Add(atLeast).UnixMilli(), id[:], spki[:], t.millis(), path, replace)
}

// DenyRequest demands that the request is of that key, waiting, or approved and not
// used, and in time, and denies it. The error is [ErrStale].
func (t *Tx) DenyRequest(id RequestID, spki [32]byte, by string) {
	t.demand(1, ErrStale, `
		UPDATE requests SET state = 'denied', decided_by = $1, decided_at = $2
		WHERE id = $3 AND spki = $4 AND state IN ('waiting', 'approved') AND expires_at > $5`,
		by, t.millis(), id[:], spki[:], t.millis())
}

// DenyRequests denies every request that is of this identity and was not used. There
// may be none.
func (t *Tx) DenyRequests(path, by string) {
	t.demand(anyRows, nil, denyRequests, by, t.millis(), path)
}

const denyRequests = `
	UPDATE requests SET state = 'denied', decided_by = $1, decided_at = $2
	WHERE identity = $3 AND state IN ('waiting', 'approved')`

const useRequest = `
	UPDATE requests SET state = 'used'
	WHERE id = $1 AND spki = $2 AND identity = $3 AND state = 'approved' AND expires_at > $4`

// UseRequest demands that the request is of that key, approved for this identity and in
// time, and uses it up. Of any number of callers, on any number of replicas, one
// succeeds. The error is [ErrSpent].
func (t *Tx) UseRequest(id RequestID, spki [32]byte, path string) {
	t.demand(1, ErrSpent, useRequest,
		id[:], spki[:], path, t.millis())
}

// keepLapsed is how long a request stays after its time, for whoever asks what became
// of it.
const keepLapsed = 24 * time.Hour

var lapsed = remnant{
	name: "requests",
	due: `
		SELECT q.expires_at, q.id FROM requests q
		WHERE q.expires_at < $1 ORDER BY q.expires_at, q.id LIMIT $2`,
	remove: []string{`DELETE FROM requests WHERE (expires_at, id) <= ($1, $2)`},
}

// PruneRequests removes the requests that lapsed more than a day before now, as
// [DB.PruneACME] does what ACME has left.
func (d *DB) PruneRequests(ctx context.Context, now time.Time) error {
	if err := d.prune(ctx, lapsed, now.Add(-keepLapsed)); err != nil {
		return fmt.Errorf("pruning requests: %w", err)
	}
	return nil
}
