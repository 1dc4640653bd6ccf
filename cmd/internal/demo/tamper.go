package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3" // the driver, under the name sqlite3
)

// edit calls an entry of the audit log something else, as somebody would who owns
// the database, and returns what it was called. The daemon does not run.
func (a *authority) edit(ctx context.Context, seq int64, action string) (was string, err error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(a.dir, "betonica.db")+"?mode=rw")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.QueryRowContext(ctx, `SELECT action FROM audit WHERE seq = $1`, seq).Scan(&was); err != nil {
		return "", fmt.Errorf("reading entry %d: %w", seq, err)
	}
	changed, err := db.ExecContext(ctx, `UPDATE audit SET action = $1 WHERE seq = $2`, action, seq)
	if err != nil {
		return "", fmt.Errorf("editing entry %d: %w", seq, err)
	}
	if n, err := changed.RowsAffected(); err != nil || n != 1 {
		return "", fmt.Errorf("editing entry %d: %d rows: %w", seq, n, err)
	}
	return was, nil
}
