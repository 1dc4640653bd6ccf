package store

import (
	"context"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// Retention says for how long the store keeps what is of no use any more; the zero
// Retention is the defaults. What it does not name stays for ever, or has a time of
// its own: see the package doc.
type Retention struct {
	// Certificates is how long a certificate stays after it ended. 0: 90 days. What
	// was revoked, and that it was, stays longer: see keepRevoked.
	Certificates time.Duration

	// Tokens is how long a join token stays after it can no longer be spent. 0: 30 days.
	Tokens time.Duration

	// Audit is how long entries of the log stay in the database before they go into
	// the archive. Less than six years is six years (45 CFR 164.316(b)(2)).
	Audit time.Duration

	// Records is how long what guards ship of their journals stays after it came. 0: six
	// years. Less than six years is six years (45 CFR 164.316(b)(2)), unless ShortRecords.
	Records      time.Duration
	ShortRecords bool

	// Archive is the folder that the log's old entries go into, made if it is not
	// there. Several processes share it as they share the database. Empty: they stay.
	Archive string
}

const (
	day = 24 * time.Hour

	// MaxTokenLife is the longest time from a token's making to its end.
	MaxTokenLife = day

	// SixYears is no less than any six years of the calendar.
	SixYears = (6*365 + 2) * day

	// keepRevoked is how long a revocation stays after its certificate ended: half a
	// year in which somebody may still want to renew, and one more. It is longer than
	// any list that has to name it (RFC 5280, Section 3.3).
	keepRevoked = 545 * day
)

func (r Retention) orDefaults() Retention {
	if r.Certificates == 0 {
		r.Certificates = 90 * day
	}
	if r.Tokens == 0 {
		r.Tokens = 30 * day
	}
	r.Audit = max(r.Audit, SixYears)
	if !r.ShortRecords || r.Records == 0 {
		r.Records = max(r.Records, SixYears)
	}
	return r
}

// KeepsAudit returns how long entries of the log stay in the database, defaults filled in.
func (r Retention) KeepsAudit() time.Duration { return r.orDefaults().Audit }

// KeepsRecords returns how long records stay, defaults filled in.
func (r Retention) KeepsRecords() time.Duration { return r.orDefaults().Records }

// revocations is how long they stay: always longer than the certificate itself,
// which would be good again without.
func (r Retention) revocations() time.Duration { return max(keepRevoked, r.Certificates+30*day) }

// A kind of records leaves by an index over its ends, so that removing costs what is
// removed.
type leaving struct {
	name   string
	after  func(Retention) time.Duration // of its end, or of its making
	due    string                        // end and id of those that ended before $1, at most $2 of them
	remove []string                      // what they own, then themselves: all up to end $1 and id $2
	count  string                        // adds $1 to those that went, and raises the horizon to $2
}

// lastIssued is when the newest of an identity's certificates was issued that leave; what
// then has none keeps it, so that it is known how long it has been asleep.
const lastIssued = `(
	SELECT COALESCE(MAX(c.not_before), 0) FROM certificates c
	WHERE c.identity = identities.path AND c.method <> 'attestation' AND (c.not_after, c.serial) <= ($1, $2))`

// Certificates go before their revocations.
var leavers = [...]leaving{{
	name:  "certificates",
	after: func(r Retention) time.Duration { return r.Certificates },
	due: `
		SELECT c.not_after, c.serial, c.identity FROM certificates c
		WHERE c.not_after < $1 ORDER BY c.not_after, c.serial LIMIT $2`, // the identity: so the row is in memory when the writer wants it
	remove: []string{`
		UPDATE identities SET active_at = ` + lastIssued + `
		WHERE path IN (SELECT c.identity FROM certificates c WHERE (c.not_after, c.serial) <= ($1, $2))
		AND NOT EXISTS (SELECT 1 FROM certificates n WHERE n.identity = identities.path AND (n.not_after, n.serial) > ($1, $2) AND n.method <> 'attestation')
		AND active_at < ` + lastIssued, `
		DELETE FROM lineage WHERE parent IN (
			SELECT c.serial FROM certificates c WHERE (c.not_after, c.serial) <= ($1, $2))`, `
		DELETE FROM confirmations WHERE serial IN (
			SELECT c.serial FROM certificates c WHERE (c.not_after, c.serial) <= ($1, $2))`, `
		DELETE FROM certificates WHERE (not_after, serial) <= ($1, $2)`},
	count: `
		UPDATE retention SET certificates = certificates + $1, horizon = CASE WHEN horizon < $2 THEN $2 ELSE horizon END WHERE id = 1`,
}, {
	name:  "revocations",
	after: Retention.revocations,
	due: `
		SELECT r.not_after, r.serial, r.identity FROM revocations r
		WHERE r.not_after < $1 ORDER BY r.not_after, r.serial LIMIT $2`,
	remove: []string{`
		DELETE FROM revocations WHERE (not_after, serial) <= ($1, $2)`},
	count: `
		UPDATE retention SET revocations = revocations + $1, horizon = CASE WHEN horizon < $2 THEN $2 ELSE horizon END WHERE id = 1`,
}, {
	name:  "tokens",
	after: func(r Retention) time.Duration { return r.Tokens + MaxTokenLife },
	due: `
		SELECT t.created_at, t.id, t.name FROM tokens t
		WHERE t.created_at < $1 ORDER BY t.created_at, t.id LIMIT $2`,
	remove: []string{`
		DELETE FROM tokens WHERE (created_at, id) <= ($1, $2)`},
	count: `
		UPDATE retention SET tokens = tokens + $1, horizon = CASE WHEN horizon < $2 THEN $2 ELSE horizon END WHERE id = 1`,
}}

// KeepExpired has certificates stay for at least as long after they ended as f says, which
// is asked at each purge: whoever may still renew one that has ended has to find it. It
// is for before [DB.Run].
func (d *DB) KeepExpired(f func() time.Duration) { d.keepExpired = f }

// Purge removes what has left its retention by now, and puts on record how much of
// each kind. It goes in small batches, each a Relaxed call, and rests after each for
// ten times as long as it took: other writes do not feel it. It can end after any of
// them; what a run removed that was cut off, the next one puts on record.
//
// Of two that purge one database at once the one that meets the other ends.
func (d *DB) Purge(ctx context.Context, now time.Time) error {
	keep := d.keep
	if d.keepExpired != nil {
		keep.Certificates = max(keep.Certificates, d.keepExpired())
	}
	for _, kind := range leavers {
		if err := d.purge(ctx, kind, now.Add(-kind.after(keep)).UnixMilli()); err != nil {
			return fmt.Errorf("purging %s: %w", kind.name, err)
		}
	}
	return d.recordPurge(ctx)
}

// purge removes all of a kind that ended before a time.
func (d *DB) purge(ctx context.Context, kind leaving, before int64) error {
	var pace pace
	for {
		b, err := d.leaving(ctx, kind, before, pace.batch())
		if err != nil || b.n == 0 {
			return err
		}
		began := time.Now()
		if err := d.remove(ctx, kind, b); err != nil {
			return err
		}
		if err := pace.rest(ctx, time.Since(began)); err != nil {
			return err
		}
	}
}

// A departure is one batch of a kind: how many, and the last of them.
type departure struct {
	n      int64
	end    int64
	id     []byte
	newest int64 // time of the newest serial among them
}

func (d *DB) leaving(ctx context.Context, kind leaving, before int64, limit int) (departure, error) {
	rows, err := d.reads.query(ctx, kind.due, before, limit)
	if err != nil {
		return departure{}, err
	}
	defer rows.Close()
	var b departure
	for ; rows.Next(); b.n++ {
		var name string
		if err := rows.Scan(&b.end, &b.id, &name); err != nil {
			return departure{}, err
		}
		if kind.name != "tokens" {
			b.newest = max(b.newest, Serial(b.id).Time().UnixMilli())
		}
	}
	return b, rows.Err()
}

// remove takes a batch out, with what is known of it alone, and counts it. The error is
// [ErrStale], and nothing is done, if the batch is not any more what was read.
func (d *DB) remove(ctx context.Context, kind leaving, b departure) error {
	return d.Relaxed(ctx, func(tx *RelaxedTx) {
		last := len(kind.remove) - 1
		for _, query := range kind.remove[:last] {
			tx.demand(anyRows, nil, query, b.end, b.id)
		}
		tx.demand(b.n, ErrStale, kind.remove[last], b.end, b.id)
		tx.demand(1, ErrNotFound, kind.count, b.n, b.newest)
	})
}

// recordPurge puts on record what was removed since it was recorded last.
func (d *DB) recordPurge(ctx context.Context) error {
	return d.writer.do(ctx, &call{alone: func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) {
		var certificates, revocations, tokens int64
		if err := tx.row(ctx, `
			SELECT n.certificates, n.revocations, n.tokens FROM retention n WHERE n.id = 1 {update}`, nil,
			&certificates, &revocations, &tokens); err != nil || certificates+revocations+tokens == 0 {
			return nil, err
		}
		tx.demand(1, ErrNotFound, `UPDATE retention SET certificates = 0, revocations = 0, tokens = 0 WHERE id = 1`)
		return []audit.Event{{Action: "retention.purge", Actor: self, Subject: self, Outcome: "ok", Detail: map[string]any{
			"certificates": certificates, "revocations": revocations, "tokens": tokens,
		}}}, tx.err
	}})
}

// self is the actor of what the store does of its own accord.
const self = "self"
