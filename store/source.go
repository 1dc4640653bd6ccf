package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

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
	files  archived               // the entries that lie in the archive
}

// auditTileLevels is more than any log has: 256^8 entries.
const auditTileLevels = 8

var _ audit.Source = (*AuditSource)(nil)

// AuditSource returns the log as it is now. Checkpoints and tiles are looked at
// before the entries: of a log that grows meanwhile, they never say more.
func (d *DB) AuditSource(ctx context.Context) (*AuditSource, error) {
	s := &AuditSource{db: d, files: archived{dir: d.cfg.Retention.Archive}}
	var err error
	if s.files.segments, err = d.Segments(ctx); err != nil {
		return nil, err
	}
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

// Close closes the files that were read.
func (s *AuditSource) Close() { s.files.close() }

// Archived returns the last entry that lies in the archive, 0 if none does.
func (s *AuditSource) Archived() int64 { return s.files.last() }

// Readable returns an error that says so if a file of the archive is not there that
// holds some of these entries.
func (s *AuditSource) Readable(from, to int64) error { return s.files.missing(from, to) }

// Records implements [audit.Source].
func (s *AuditSource) Records(ctx context.Context, after int64, limit int) ([]audit.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	var records []audit.Record
	if last := s.files.last(); after < last {
		var err error
		if records, err = s.files.records(max(after, 0), limit); err != nil || len(records) == limit {
			return records, err
		}
		after = last
	}
	rows, err := s.rows(ctx, after, s.size, limit-len(records))
	if err != nil {
		return nil, err
	}
	if next := max(after, 0) + 1; next <= s.size && (len(rows) == 0 || rows[0].Seq > next) && len(records) == 0 {
		more, err := s.moreArchived(ctx)
		if err != nil {
			return nil, err
		}
		if more {
			return s.Records(ctx, after, limit)
		}
	}
	return append(records, rows...), nil
}

// moreArchived looks whether more was archived since it looked last: rows go after
// their segment is on record.
func (s *AuditSource) moreArchived(ctx context.Context) (bool, error) {
	segments, err := s.db.Segments(ctx)
	if err != nil || len(segments) <= len(s.files.segments) {
		return false, err
	}
	s.files.segments = segments
	return true, nil
}

// rows returns up to limit rows after one, up to another.
func (s *AuditSource) rows(ctx context.Context, after, to int64, limit int) ([]audit.Record, error) {
	rows, err := s.db.reads.query(ctx, `
		SELECT seq, at, action, leaf, hash, term1, term2, term3, term4 FROM audit
		WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`, after, to, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the log after entry %d: %w", after, err)
	}
	defer rows.Close()
	records := make([]audit.Record, 0, min(limit, maxPage))
	var kept shelf
	var leaf, hash sql.RawBytes
	var terms [audit.MaxTerms]sql.RawBytes
	for rows.Next() {
		var r audit.Record
		var at int64
		if err := rows.Scan(&r.Seq, &at, &r.Action, &leaf, &hash, &terms[0], &terms[1], &terms[2], &terms[3]); err != nil {
			return nil, fmt.Errorf("reading the log after entry %d: %w", after, err)
		}
		r.At, r.Leaf = fromMillis(at), kept.keep(leaf)
		if len(hash) == len(r.Hash) { // else it stays zero, which is no entry's
			r.Hash = tlog.Hash(hash)
		}
		r.Terms = kept.terms(terms[:])
		records = append(records, r)
	}
	return records, rows.Err()
}

// A shelf keeps what rows of the log hold, many in one piece of memory: of a million rows,
// to allocate each leaf and each list of terms is a tenth of what it takes to read them.
type shelf struct {
	bytes []byte
	list  []audit.Term
}

// shelfSize is how much is allocated at once, in bytes; half as much for terms.
const shelfSize = 24 << 10 // what is larger than 32 KiB, Go allocates with more ado

// keep returns a copy of b.
func (s *shelf) keep(b []byte) []byte {
	if len(b) > cap(s.bytes)-len(s.bytes) {
		s.bytes = make([]byte, 0, max(shelfSize, len(b)))
	}
	at := len(s.bytes)
	s.bytes = append(s.bytes, b...)
	return s.bytes[at:len(s.bytes):len(s.bytes)]
}

// terms returns those that are not null. One of another length than terms have is zero,
// which no party's is: cut off or filled up, it might be what it should be.
func (s *shelf) terms(columns []sql.RawBytes) []audit.Term {
	if len(columns) > cap(s.list)-len(s.list) {
		s.list = make([]audit.Term, 0, shelfSize/2/len(audit.Term{}))
	}
	at := len(s.list)
	for _, column := range columns {
		if column != nil {
			var t audit.Term
			if len(column) == len(t) {
				t = audit.Term(column)
			}
			s.list = append(s.list, t)
		}
	}
	return s.list[at:len(s.list):len(s.list)]
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

// Flaws implements [audit.Flawed]: files that are not as they were written, and rows
// under the numbers of archived entries that are not those entries. Until they are
// removed there may be some that are.
func (s *AuditSource) Flaws(ctx context.Context) ([]*audit.TamperError, error) {
	flaws, last := s.files.flaws, s.files.last()
	for after := int64(math.MinInt64); last > 0; {
		rows, err := s.rows(ctx, after, last, audit.TileWidth)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			after = r.Seq
			if kept, err := s.Hashes(ctx, r.Seq-1, r.Seq); err != nil || len(kept) != 1 || kept[0] != tlog.RecordHash(r.Leaf) || kept[0] != r.Hash {
				flaws = append(flaws, &audit.TamperError{Kind: audit.Inserted, From: r.Seq, To: r.Seq, Detail: "a row that is not the archived entry of its number"})
			}
		}
		if len(rows) < audit.TileWidth || len(flaws) > audit.MaxFindings {
			break
		}
	}
	return flaws, nil
}

// Hashes implements [audit.TileReader]. Of what is archived the tiles remember them.
func (s *AuditSource) Hashes(ctx context.Context, after, to int64) ([]tlog.Hash, error) {
	var kept []tlog.Hash
	var tile []byte
	for last := s.files.last(); after < min(to, last) && after >= 0; after++ {
		if len(kept) == 0 || after%audit.TileWidth == 0 {
			tiles, err := s.Tiles(ctx, 0, after/audit.TileWidth-1, 1)
			if err != nil || len(tiles) == 0 || tiles[0].N != after/audit.TileWidth || len(tiles[0].Hashes) != audit.TileWidth*tlog.HashSize {
				return kept, err
			}
			tile = tiles[0].Hashes
		}
		i := after % audit.TileWidth * tlog.HashSize
		kept = append(kept, tlog.Hash(tile[i:i+tlog.HashSize]))
	}
	if after >= to {
		return kept, nil
	}
	rows, err := s.db.reads.query(ctx, `
		SELECT hash FROM audit WHERE seq > $1 AND seq <= $2 ORDER BY seq`, after, min(to, s.size))
	if err != nil {
		return nil, fmt.Errorf("reading hashes of the log: %w", err)
	}
	defer rows.Close()
	rest, err := collectHashes(rows)
	if err == nil && int64(len(rest)) < min(to, s.size)-after {
		if more, err := s.moreArchived(ctx); err != nil || more {
			rest, err = s.Hashes(ctx, after, to)
			return append(kept, rest...), err
		}
	}
	return append(kept, rest...), err
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
