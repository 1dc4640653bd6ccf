package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Bounds of what is taken out of a file that is not trusted.
const (
	maxKeptLists = 1000
	maxKeptList  = 64 << 20 // bytes
)

// IsSQLite says whether a file begins as an SQLite database does (the SQLite file format,
// Section 1.3.1).
func IsSQLite(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(f, head); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	return string(head) == magic, nil
}

// KeptLists returns the complete revocation lists and deltas that an SQLite store holds
// which may be damaged, or of another schema, as far as they can be read: with an error
// there is none. Nothing is opened with any key; the lists are to be verified. It is for a
// file that nobody else has open.
func KeptLists(ctx context.Context, path string) (lists [][]byte, err error) {
	options := "mode=ro&_query_only=true&_busy_timeout=2000"
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		options += "&immutable=1"
	}
	db := openFile(path, options, ``)
	defer db.Close()
	// In the order of the table: an index may be what is damaged.
	rows, err := db.QueryContext(ctx, `
		SELECT der FROM crls NOT INDEXED WHERE kind IN ('full', 'delta') AND length(der) <= $1 LIMIT $2`, maxKeptList, maxKeptLists)
	if err != nil {
		return nil, fmt.Errorf("reading the lists in %s: %w", path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var der []byte
		if err = rows.Scan(&der); err != nil {
			break
		}
		lists = append(lists, der)
	}
	if err = errors.Join(err, rows.Err()); err != nil && len(lists) == 0 {
		return nil, fmt.Errorf("reading the lists in %s: %w", path, err)
	}
	return lists, nil
}
