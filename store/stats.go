package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Stats is what the writer has done since Open.
type Stats struct {
	Calls   int64         // that were answered
	Batches int64         // transactions that were attempted
	Busy    time.Duration // time spent in them
	Waiting int           // calls that wait now
	Entries int64         // in the audit log

	// Of transactions that are on disk: how long each took, in seconds, from the first
	// statement to the answer, and how many calls it held.
	Commits, Sizes Histogram
}

type writerStats struct {
	calls, batches, busy atomic.Int64
	commits, sizes       *histogram
}

func newWriterStats() writerStats {
	return writerStats{
		commits: newHistogram(float64(time.Second), .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30),
		sizes:   newHistogram(1, 1, 2, 4, 8, 16, 32, 64, 128, maxBatch),
	}
}

func (s *writerStats) record(calls int, took time.Duration) {
	s.calls.Add(int64(calls))
	s.batches.Add(1)
	s.busy.Add(int64(took))
}

// durable records a transaction that is on disk.
func (s *writerStats) durable(calls int, took time.Duration) {
	s.commits.add(int64(took))
	s.sizes.add(int64(calls))
}

// Stats returns what the writer has done. It costs nothing.
func (d *DB) Stats() Stats {
	s := &d.writer.stats
	return Stats{
		Calls: s.calls.Load(), Batches: s.batches.Load(), Busy: time.Duration(s.busy.Load()),
		Waiting: d.writer.queue.depth(), Entries: d.log.head.Load().Size(),
		Commits: s.commits.read(), Sizes: s.sizes.read(),
	}
}

// Counts says how much is on record.
type Counts struct {
	Identities   map[State]int64
	Suspects     int64
	Live         int64 // certificates that are in time, revoked or not
	Revoked      int64 // certificates that are in time and revoked
	OpenTokens   int64 // tokens that can still be used
	AuditEntries int64

	// Doubtful is how many identities were stale, ownerless or dormant when they were
	// counted last, those among them that were suspended for it.
	Doubtful map[Why]int64
}

// Counts counts. It reads an index entry for each thing that it counts, so in a large
// store the counts are some minutes old, at most a hundred times as long as it takes to
// make them; but for the entries of the log. Certificates are counted by [DB.CountByIssuer].
func (d *DB) Counts(ctx context.Context) (Counts, error) {
	c, err := d.counts.get(ctx, &d.counting, d.count)
	if err != nil {
		return Counts{}, err
	}
	issuers, err := d.CountByIssuer(ctx)
	if err != nil {
		return Counts{}, err
	}
	for _, i := range issuers {
		c.Live += i.Live
		c.Revoked += i.Revoked
	}
	c.AuditEntries = d.log.head.Load().Size()
	return c, nil
}

// count makes the counts but those of certificates and of the log.
func (d *DB) count(ctx context.Context) (Counts, error) {
	c := Counts{Identities: map[State]int64{}}
	now := d.cfg.Now().UnixMilli()
	rows, err := d.reads.query(ctx, `SELECT state, COUNT(*), SUM(CASE WHEN suspect THEN 1 ELSE 0 END) FROM identities GROUP BY state`)
	if err != nil {
		return Counts{}, fmt.Errorf("counting identities: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var state string
		var n, suspects int64
		if err := rows.Scan(&state, &n, &suspects); err != nil {
			return Counts{}, fmt.Errorf("counting identities: %w", err)
		}
		c.Identities[State(state)] = n
		c.Suspects += suspects
	}
	if err := rows.Err(); err != nil {
		return Counts{}, fmt.Errorf("counting identities: %w", err)
	}
	if err := d.reads.row(ctx, `
		SELECT COUNT(*) FROM tokens
		WHERE created_at > $1 AND expires_at > $2 AND uses < max_uses AND revoked_at IS NULL`,
		[]any{now - MaxTokenLife.Milliseconds(), now}, &c.OpenTokens); err != nil {
		return Counts{}, fmt.Errorf("counting tokens: %w", err)
	}
	return c, d.countDoubtful(ctx, &c)
}

func (d *DB) countDoubtful(ctx context.Context, c *Counts) error {
	var stale, ownerless, dormant int64
	err := d.reads.row(ctx, `
		SELECT COALESCE(SUM(f.stale), 0), COALESCE(SUM(f.ownerless), 0), COALESCE(SUM(f.dormant), 0) FROM life f WHERE f.role >= ''`, nil,
		&stale, &ownerless, &dormant)
	if err != nil {
		return fmt.Errorf("counting identities in doubt: %w", err)
	}
	c.Doubtful = map[Why]int64{Unattested: stale, Ownerless: ownerless, Dormant: dormant}
	for why := range c.Doubtful {
		var n int64
		if err := d.reads.row(ctx, `SELECT COUNT(*) FROM identities WHERE why = $1 AND why <> ''`, []any{string(why)}, &n); err != nil {
			return fmt.Errorf("counting identities in doubt: %w", err)
		}
		c.Doubtful[why] += n
	}
	return nil
}
