package store

import (
	"context"
	"fmt"
	"time"
)

// An ArchiveUse is how much of the archive of journals is taken, by one machine and in
// all. The bytes are those of the rows, about; what the database needs beside is not
// among them.
type ArchiveUse struct {
	Begun   int           // journals that the machine began today, in UTC
	Bytes   int64         // that were taken of it today
	Rest    time.Duration // what is left of today
	Refused time.Duration // how long ago it was put on record last that no more is taken of it; [NeverRefused]: never
	Total   int64         // bytes of all machines, ever
}

// NeverRefused is longer ago than anything.
const NeverRefused = time.Duration(1<<63 - 1)

// rowBytes is what a row takes beside its large columns, about.
const rowBytes = 256

// ArchiveUse returns how much is taken by the machine of that identity. Replicas count
// together: each sees what was committed before.
func (d *DB) ArchiveUse(ctx context.Context, identity string) (ArchiveUse, error) {
	now := d.cfg.Now()
	var u ArchiveUse
	var today, refused int64
	err := d.reads.row(ctx, `
		SELECT s.bytes, COALESCE(u.day, 0), COALESCE(u.begun, 0), COALESCE(u.bytes, 0), COALESCE(u.refused_at, 0)
		FROM archive_size s LEFT JOIN archive_use u ON u.identity = $1 WHERE s.id = 1`,
		[]any{identity}, &u.Total, &today, &u.Begun, &u.Bytes, &refused)
	if err != nil {
		return u, fmt.Errorf("reading how much of the archive is taken: %w", err)
	}
	if today != dayOf(now) {
		u.Begun, u.Bytes = 0, 0
	}
	u.Rest = time.Unix((dayOf(now)+1)*int64(day/time.Second), 0).Sub(now)
	u.Refused = NeverRefused
	if ago := now.Sub(fromMillis(refused)); refused > 0 && ago >= 0 { // clocks are set back
		u.Refused = ago
	}
	return u, nil
}

// An ArchiveContent is what the archive of journals holds at a moment.
type ArchiveContent struct {
	Bytes   int64     // as [ArchiveUse].Total
	Records int64     // entries of journals
	Oldest  time.Time // when the oldest of them came; zero: there is none, or nobody noted it
}

// ArchiveContent returns what the archive holds. It reads a row of each journal.
func (d *DB) ArchiveContent(ctx context.Context) (ArchiveContent, error) {
	var c ArchiveContent
	var oldest int64
	err := d.reads.row(ctx, `
		SELECT s.bytes, (SELECT COALESCE(SUM(j.size - j.removed), 0) FROM journals j),
			COALESCE((SELECT MIN(b.received_at) FROM journal_batches b), 0)
		FROM archive_size s WHERE s.id = 1`, nil, &c.Bytes, &c.Records, &oldest)
	if err != nil {
		return c, fmt.Errorf("reading what the archive holds: %w", err)
	}
	if oldest > 0 {
		c.Oldest = fromMillis(oldest)
	}
	return c, nil
}

// RefuseArchive demands that no refusal of that machine's journals was put on record
// within a time, and notes that one is now. The error is [ErrExists].
func (t *Tx) RefuseArchive(identity string, within time.Duration) {
	t.demand(1, ErrExists, `
		INSERT INTO archive_use (identity, day, begun, bytes, refused_at) VALUES ($1, $2, 0, 0, $3)
		ON CONFLICT (identity) DO UPDATE SET refused_at = excluded.refused_at
		WHERE archive_use.refused_at <= $4 OR archive_use.refused_at > $3`,
		identity, dayOf(t.now), t.millis(), t.now.Add(-within).UnixMilli())
}

// useArchive counts what is taken of a machine.
func (t *Tx) useArchive(identity string, begun int, bytes int64) {
	t.demand(1, ErrStale, `
		INSERT INTO archive_use (identity, day, begun, bytes, refused_at) VALUES ($1, $2, $3, $4, 0)
		ON CONFLICT (identity) DO UPDATE SET
			begun = CASE WHEN archive_use.day = excluded.day THEN archive_use.begun ELSE 0 END + excluded.begun,
			bytes = CASE WHEN archive_use.day = excluded.day THEN archive_use.bytes ELSE 0 END + excluded.bytes,
			day = excluded.day`,
		identity, dayOf(t.now), begun, bytes)
	t.demand(1, ErrStale, `UPDATE archive_size SET bytes = bytes + $1 WHERE id = 1`, bytes)
}

// dayOf returns how many whole days of UTC came before.
func dayOf(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }
