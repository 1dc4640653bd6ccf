package store

import (
	"context"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// A Replay is a certificate that a revocation list of ours says is revoked.
type Replay struct {
	Serial Serial
	Issuer string // key identifier, in hex
	Reason int    // RFC 5280, Section 5.3.1
	At     time.Time
	// End is when the issuer's own certificate ends: no certificate of it outlives that.
	End time.Time
}

// Replayed is what became of a Replay.
type Replayed struct {
	Replay
	// Known: the store had it as revoked. Then nothing was done.
	Known bool
	// Identity is whose certificate it was; empty: the store does not know the
	// certificate, which was issued after the store was copied.
	Identity string
	// Suspended: the identity was active, and is suspended until a person has looked.
	Suspended bool
}

// Replay records that these certificates are revoked, for the reason and at the time
// that the lists say, each with an event of its own, all of them or none: some dozens
// and no more. A certificate that is not on record is revoked all the same, until its
// issuer's certificate ends, so that lists and OCSP go on saying so.
//
// The identity of one that is on record gets the next revision, and is suspect. It cannot be
// known whether only the certificate was revoked, or the identity with all that it had.
// So unless the certificate was superseded, an active identity that is left with no
// certificate is suspended: nothing gives it a new one before a person said so.
func (d *DB) Replay(ctx context.Context, by string, items []Replay) ([]Replayed, error) {
	var out []Replayed
	err := d.UpdateMany(ctx, func(ctx context.Context, tx *AloneTx) (events []audit.Event, err error) {
		out = out[:0] // it may run more than once
		var number int64
		for _, item := range items {
			done, err := tx.replay(ctx, item, &number)
			if err != nil {
				return nil, err
			}
			out = append(out, done)
			if !done.Known {
				events = append(events, done.event(by, number))
			}
		}
		return events, tx.err
	})
	return out, err
}

func (r Replayed) event(by string, number int64) audit.Event {
	subject := r.Identity
	if subject == "" {
		subject = r.Serial.String()
	}
	return audit.Event{Action: "certificate.revoke", Actor: by, Subject: subject, Outcome: "ok", Detail: map[string]any{
		"recovered": true, "serials": []string{r.Serial.String()}, "issuer": r.Issuer, "reason": r.Reason, "at": r.At, "number": number,
		"issued": r.Identity != "", "suspended": r.Suspended,
	}}
}

// replay takes a CRL number with the first certificate that needs one.
func (t *AloneTx) replay(ctx context.Context, r Replay, number *int64) (Replayed, error) {
	out := Replayed{Replay: r}
	cert, err := t.Certificate(ctx, r.Serial)
	switch {
	case isNotFound(err):
	case err != nil:
		return out, err
	case cert.Issuer != r.Issuer:
		return out, fmt.Errorf("certificate %s is of issuer %s, and a list of %s names it", r.Serial, cert.Issuer, r.Issuer)
	default:
		out.Identity, r.End = cert.Identity, cert.NotAfter
	}
	var one int64
	switch err := t.row(ctx, `SELECT 1 FROM revocations r WHERE r.serial = $1`, []any{r.Serial[:]}, &one); {
	case err == nil:
		out.Known = true
		return out, nil
	case !isNotFound(err):
		return out, fmt.Errorf("reading revocation of %s: %w", r.Serial, err)
	}
	if *number == 0 {
		if *number, err = t.number(ctx); err != nil {
			return out, err
		}
	}
	t.revokes = true
	t.demand(1, ErrNotFound, `
		INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number, issuer)
		SELECT $1, $2, $3, $4, $5, $6, s.id FROM issuers s WHERE s.key_id = $7`,
		r.Serial[:], out.Identity, r.Reason, r.At.UnixMilli(), r.End.UnixMilli(), *number, r.Issuer)
	if out.Identity == "" || t.err != nil {
		return out, t.err
	}
	t.bump(out.Identity)
	t.MarkSuspect(out.Identity)
	out.Suspended, err = t.suspendBare(ctx, out.Identity, r.Reason)
	return out, err
}

// suspendBare suspends an active identity that has no certificate left, unless its last
// one was superseded.
func (t *AloneTx) suspendBare(ctx context.Context, path string, reason int) (bool, error) {
	id, err := t.Identity(ctx, path)
	if err != nil || id.State != Active || reason == superseded {
		return false, err
	}
	var one int64
	err = t.row(ctx, `
		SELECT 1 FROM certificates c WHERE c.identity = $1 AND c.not_after > $2
		AND NOT EXISTS (SELECT 1 FROM revocations r WHERE r.serial = c.serial) LIMIT 1`, []any{path, t.millis()}, &one)
	if !isNotFound(err) {
		return false, err
	}
	t.SetState(path, []State{Active}, Suspended)
	return true, t.err
}
