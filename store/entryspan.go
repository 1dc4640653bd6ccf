package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// A span is a part of the log, by number: from first to before end.
type span struct{ first, end int64 }

const (
	// spanSlack is how far the times of entries may go back from one to a later one:
	// every process that writes is off by maxSkew at most.
	spanSlack = 2 * maxSkew

	// spanNeighbours is how many entries are looked at on each side of a time.
	spanNeighbours = 64
)

// span returns a part of the log that holds what was made between since and until, and
// little else; zero times are its ends. The index over a party's entries knows no times:
// without a span a list would walk through all that are newer.
//
// It goes by the entries around a time in the index of times. Where a clock was wrong
// they may not be in the order of their numbers, and then the span is longer than it
// would have to be. What it leaves out, though its date is between the two, is an entry
// that was itself made by a clock that was wrong by more than spanSlack, which can only
// be a revocation's: lists without times, and lists without a party, find it.
func (d *DB) span(ctx context.Context, since, until time.Time) (span, error) {
	s := span{math.MinInt64, math.MaxInt64}
	if !since.IsZero() {
		n, err := d.neighbours(ctx, since.Add(-spanSlack))
		if err != nil {
			return span{}, err
		}
		if n.ordered() {
			s.first = min(n.before[0], n.after[0])
		}
	}
	if !until.IsZero() {
		n, err := d.neighbours(ctx, until.Add(spanSlack))
		if err != nil {
			return span{}, err
		}
		if n.ordered() {
			s.end = max(n.before[len(n.before)-1], n.after[len(n.after)-1]) + 1
		}
	}
	return s, nil
}

// EntriesBetween returns the numbers of the first and the last entry of a part of the log
// that holds what was made since a time and before another, and little else: at its ends
// up to spanNeighbours entries, and what was made within ten minutes. Zero times are the
// log's ends. There is none if last is less than first. What is in the archive belongs to
// it only where since is before all that is not.
func (d *DB) EntriesBetween(ctx context.Context, since, until time.Time) (first, last int64, err error) {
	var size, oldest, newest int64
	err = d.reads.row(ctx, `
		SELECT COALESCE((SELECT MAX(a.seq) FROM audit a), 0), COALESCE((SELECT MIN(b.at) FROM audit b), 0), COALESCE((SELECT MAX(c.at) FROM audit c), 0)`, nil, &size, &oldest, &newest)
	if err != nil {
		return 0, 0, fmt.Errorf("finding a time in the log: %w", err)
	}
	if !since.IsZero() && since.UnixMilli() > newest || !until.IsZero() && until.UnixMilli() <= oldest {
		return size + 1, size, nil
	}
	s, err := d.span(ctx, since, until)
	if err != nil {
		return 0, 0, err
	}
	return max(s.first, 1), min(s.end-1, size), nil
}

// neighbours are the entries around a time, by number, in ascending order.
type neighbours struct{ before, after []int64 }

// ordered says that there are some on both sides, and that most of those after the time
// came after those before it: a few that were made by a wrong clock do not matter.
func (n neighbours) ordered() bool {
	return len(n.before) > 0 && len(n.after) > 0 && n.before[len(n.before)/2] < n.after[len(n.after)/2]
}

func (d *DB) neighbours(ctx context.Context, at time.Time) (n neighbours, err error) {
	rows, err := d.reads.query(ctx, `
		SELECT * FROM (
			SELECT a.at, a.seq FROM audit a WHERE a.at < $1 ORDER BY a.at DESC, a.seq DESC LIMIT $2) before_it
		UNION ALL
		SELECT * FROM (
			SELECT a.at, a.seq FROM audit a WHERE a.at >= $1 ORDER BY a.at, a.seq LIMIT $2) after_it`,
		at.UnixMilli(), spanNeighbours)
	if err != nil {
		return n, fmt.Errorf("finding a time in the log: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var ms, seq int64
		if err := rows.Scan(&ms, &seq); err != nil {
			return n, fmt.Errorf("finding a time in the log: %w", err)
		}
		if ms < at.UnixMilli() {
			n.before = append(n.before, seq)
		} else {
			n.after = append(n.after, seq)
		}
	}
	if err := rows.Err(); err != nil {
		return n, fmt.Errorf("finding a time in the log: %w", err)
	}
	slices.Sort(n.before)
	slices.Sort(n.after)
	return n, nil
}
