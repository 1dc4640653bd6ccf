package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/betonica/betonica/store/audit"
)

// A Segment is a stretch of the audit log that lies in a file of the archive.
type Segment struct {
	First, Last int64  // entries, both included
	File        string // its name in the archive
	Bytes       int64
	Digest      [sha256.Size]byte
}

// Segments returns the log's segments in their order: from the first entry, without
// gaps. There are some dozens after many years.
func (d *DB) Segments(ctx context.Context) ([]Segment, error) {
	rows, err := d.reads.query(ctx, `SELECT g.first, g.last, g.file, g.bytes, g.digest FROM audit_segments g ORDER BY g.last`)
	if err != nil {
		return nil, fmt.Errorf("reading the log's segments: %w", err)
	}
	defer rows.Close()
	var all []Segment
	for rows.Next() {
		var s Segment
		var digest []byte
		if err := rows.Scan(&s.First, &s.Last, &s.File, &s.Bytes, &digest); err != nil {
			return nil, fmt.Errorf("reading the log's segments: %w", err)
		}
		copy(s.Digest[:], digest)
		all = append(all, s)
	}
	return all, rows.Err()
}

// Archive is the folder that the log's segments lie in; empty if there is none.
func (d *DB) Archive() string { return d.cfg.Retention.Archive }

// archived is the part of a log that lies in files. It is of one reader: it keeps the
// place up to which it has read.
type archived struct {
	dir      string
	segments []Segment
	flaws    []*audit.TamperError

	at     int // the segment that is open
	file   *os.File
	reader *audit.SegmentReader
	next   int64 // entry
}

// last is the last entry in the files; those of the database follow.
func (a *archived) last() int64 {
	if len(a.segments) == 0 {
		return 0
	}
	return a.segments[len(a.segments)-1].Last
}

// records returns up to limit entries after one; fewer if there are no more. It passes
// over a file that cannot be read, and remembers why.
func (a *archived) records(after int64, limit int) ([]audit.Record, error) {
	var records []audit.Record
	for len(records) < limit && after < a.last() {
		if err := a.seek(after + 1); err != nil {
			return nil, err
		}
		if a.reader == nil { // not to be read
			after = a.segments[a.at].Last
			continue
		}
		r, err := a.reader.Next()
		if errors.Is(err, io.EOF) {
			after = a.segments[a.at].Last
			continue
		}
		if err != nil {
			a.flaw(audit.SegmentEdited, a.segments[a.at], err.Error())
			a.close()
			a.next = a.segments[a.at].Last + 1
			after = a.segments[a.at].Last
			continue
		}
		a.next = r.Seq + 1
		if r.Seq > after {
			records, after = append(records, r), r.Seq
		}
	}
	return records, nil
}

// seek opens the file that holds the entry, unless it is the one that is read.
func (a *archived) seek(entry int64) error {
	i := a.at
	if i >= len(a.segments) || entry < a.segments[i].First || entry > a.segments[i].Last {
		for i = 0; a.segments[i].Last < entry; i++ {
		}
	}
	if a.next != 0 && i == a.at && a.next <= entry {
		return nil
	}
	a.close()
	a.at, a.next = i, a.segments[i].First
	return a.open(a.segments[i])
}

// open opens a file after it has looked whether it is the one that was written.
func (a *archived) open(s Segment) error {
	f, err := os.Open(filepath.Join(a.dir, s.File))
	if err != nil {
		a.flaw(audit.SegmentMissing, s, err.Error())
		return nil
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return errors.Join(fmt.Errorf("reading the archive: %w", err), f.Close())
	}
	if [sha256.Size]byte(hash.Sum(nil)) != s.Digest {
		a.flaw(audit.SegmentEdited, s, "it is not the file that was written")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	reader, err := audit.ReadSegment(f)
	if err == nil && (reader.First != s.First || reader.Last != s.Last) {
		err = fmt.Errorf("it holds the entries %d to %d", reader.First, reader.Last)
	}
	if err != nil {
		a.flaw(audit.SegmentEdited, s, err.Error())
		return f.Close()
	}
	a.file, a.reader = f, reader
	return nil
}

func (a *archived) flaw(kind audit.Kind, s Segment, why string) {
	detail := fmt.Sprintf("%s: %s", filepath.Join(a.dir, s.File), why)
	for _, f := range a.flaws {
		if f.Kind == kind && f.From == s.First {
			return // one is enough
		}
	}
	a.flaws = append(a.flaws, &audit.TamperError{Kind: kind, From: s.First, To: s.Last, Detail: detail})
}

func (a *archived) close() {
	if a.file != nil {
		a.file.Close() // it was only read
	}
	a.file, a.reader, a.next = nil, nil, 0
}

// missing looks for the files that hold entries of a range.
func (a *archived) missing(from, to int64) error {
	for _, s := range a.segments {
		if s.Last < from || s.First > to {
			continue
		}
		if _, err := os.Stat(filepath.Join(a.dir, s.File)); err != nil {
			return fmt.Errorf("entries %d to %d are archived in %s, which cannot be read: %w", s.First, s.Last, s.File, err)
		}
	}
	return nil
}
