package store

import (
	"context"
	"fmt"
)

// Sites returns where the identities with these paths stand, by their paths, in one query.
// Those that are not on record are left out.
func (d *DB) Sites(ctx context.Context, paths []string) (map[string]string, error) {
	sites := make(map[string]string, len(paths))
	if len(paths) == 0 {
		return sites, nil
	}
	among, arg := d.engine.among(paths)
	rows, err := d.reads.query(ctx, `SELECT i.path, i.site FROM identities i WHERE i.path `+among, arg)
	if err != nil {
		return nil, fmt.Errorf("reading sites: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var path, site string
		if err := rows.Scan(&path, &site); err != nil {
			return nil, fmt.Errorf("reading sites: %w", err)
		}
		sites[path] = site
	}
	return sites, rows.Err()
}
