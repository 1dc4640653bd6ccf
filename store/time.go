package store

import (
	"context"
	"fmt"
	"time"
)

// Time returns the time by the database's clock, which is one and the same for all
// processes that share it; on SQLite it is this process's.
func (d *DB) Time(ctx context.Context) (time.Time, error) {
	if !d.engine.shared() {
		return d.cfg.Now().UTC(), nil
	}
	var ms int64
	err := d.reads.row(ctx, `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint`, nil, &ms)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the database's clock: %w", err)
	}
	return fromMillis(ms), nil
}
