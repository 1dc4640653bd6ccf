package store

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// An AuditSource is the log as it was at one moment, for [audit.Verify] and
// [audit.Export]. It holds no transaction open: rows of the log never change, so
// it simply looks at nothing that came later. But it does look at checkpoints and
// tiles for more entries than there are: they betray who cut off the end.
type AuditSource struct {
	db     *DB
	size   int64                  // greatest number of an entry
	signed int64                  // greatest size of a checkpoint
	tiles  [auditTileLevels]int64 // by level: one more than the greatest number of a tile
}

// auditTileLevels is more than any log has: 256^8 entries.
const auditTileLevels = 8

var _ audit.Source = (*AuditSource)(nil)

// AuditSource returns the log as it is now. Checkpoints and tiles are looked at
// before the entries: of a log that grows meanwhile, they never say more.
func (d *DB) AuditSource(ctx context.Context) (*AuditSource, error) {
	s := &AuditSource{db: d}
	if err := d.reads.row(ctx, `SELECT COALESCE(MAX(size), 0) FROM checkpoints`, nil, &s.signed); err != nil {
		return nil, fmt.Errorf("reading the log's checkpoints: %w", err)
	}
	for level := range s.tiles {
		if err := d.reads.row(ctx, `SELECT COALESCE(MAX(n), -1) + 1 FROM audit_tiles WHERE level = $1`, []any{level}, &s.tiles[level]); err != nil {
			return nil, fmt.Errorf("reading the log's tiles: %w", err)
		}
	}
	if err := d.reads.row(ctx, `SELECT COALESCE(MAX(seq), 0) FROM audit`, nil, &s.size); err != nil {
		return nil, fmt.Errorf("reading the log's size: %w", err)
	}
	return s, nil
}

// Records implements [audit.Source].
func (s *AuditSource) Records(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	rows, err := s.db.reads.query(ctx, `
		SELECT seq, at, action, leaf, hash, term1, term2, term3, term4 FROM audit
		WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`, after, s.size, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the log after entry %d: %w", after, err)
	}
	defer rows.Close()
	var records []audit.Record
	for rows.Next() {
		var r audit.Record
		var at int64
		var hash []byte
		var terms [audit.MaxTerms][]byte
		if err := rows.Scan(&r.Seq, &at, &r.Action, &r.Leaf, &hash, &terms[0], &terms[1], &terms[2], &terms[3]); err != nil {
			return nil, fmt.Errorf("reading the log after entry %d: %w", after, err)
		}
		r.At = fromMillis(at)
		copy(r.Hash[:], hash)
		for _, term := range terms {
			if term != nil {
				var t audit.Term
				copy(t[:], term)
				r.Terms = append(r.Terms, t)
			}
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

// Checkpoints implements [audit.Source].
func (s *AuditSource) Checkpoints(ctx context.Context, after int64, limit int) ([]audit.SignedCheckpoint, error) {
	rows, err := s.db.reads.query(ctx, `
		SELECT size, at, note FROM checkpoints WHERE size > $1 AND size <= $2 ORDER BY size LIMIT $3`, after, max(s.size, s.signed), limit)
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	defer rows.Close()
	var all []audit.SignedCheckpoint
	for rows.Next() {
		var c audit.SignedCheckpoint
		var at int64
		if err := rows.Scan(&c.Size, &at, &c.Note); err != nil {
			return nil, fmt.Errorf("reading checkpoints: %w", err)
		}
		c.At = fromMillis(at)
		all = append(all, c)
	}
	return all, rows.Err()
}

// Tiles implements [audit.TileReader].
func (s *AuditSource) Tiles(ctx context.Context, level int, after int64, limit int) ([]audit.Tile, error) {
	if level < 0 || level >= auditTileLevels {
		return nil, nil
	}
	rows, err := s.db.reads.query(ctx, `
		SELECT n, hashes FROM audit_tiles WHERE level = $1 AND n > $2 AND n < $3 ORDER BY n LIMIT $4`,
		level, after, max(s.size>>(8*(level+1)), s.tiles[level]), limit)
	if err != nil {
		return nil, fmt.Errorf("reading tiles: %w", err)
	}
	defer rows.Close()
	var tiles []audit.Tile
	for rows.Next() {
		t := audit.Tile{Level: level}
		if err := rows.Scan(&t.N, &t.Hashes); err != nil {
			return nil, fmt.Errorf("reading tiles: %w", err)
		}
		tiles = append(tiles, t)
	}
	return tiles, rows.Err()
}

// Hashes implements [audit.TileReader].
func (s *AuditSource) Hashes(ctx context.Context, after, to int64) ([]tlog.Hash, error) {
	rows, err := s.db.reads.query(ctx, `
		SELECT hash FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq`, after, min(to, s.size))
	if err != nil {
		return nil, fmt.Errorf("reading hashes of the log: %w", err)
	}
	defer rows.Close()
	return collectHashes(rows)
}

// collectHashes reads a column of hashes, of database/sql or of pgx.
func collectHashes(rows interface {
	Next() bool
	Scan(...any) error
	Err() error
}) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for rows.Next() {
		var hash []byte
		if err := rows.Scan(&hash); err != nil {
			return nil, err
		}
		if len(hash) != tlog.HashSize {
			return nil, errors.New("the log has a hash of the wrong length")
		}
		hashes = append(hashes, tlog.Hash(hash))
	}
	return hashes, rows.Err()
}
