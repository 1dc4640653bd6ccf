package store

import (
	"bytes"
	"context"
	"fmt"
)

// A CertificateFilter selects certificates; the zero filter selects all.
type CertificateFilter struct {
	Identity string // path
	Live     bool   // only those that are in time and not revoked
}

// Certificates lists certificates, the newest first; or, with Live and no
// Identity, those that end soonest first.
func (d *DB) Certificates(ctx context.Context, f CertificateFilter, p Page) ([]Certificate, string, error) {
	query, args, err := f.query(p, d.cfg.Now().UnixMilli())
	if err != nil {
		return nil, "", err
	}
	rows, err := d.reads.query(ctx, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("listing certificates: %w", err)
	}
	defer rows.Close()
	var certs []Certificate
	for rows.Next() {
		var r certificateRow
		var v revocationRow
		if err := rows.Scan(append(r.dest(), v.dest()...)...); err != nil {
			return nil, "", fmt.Errorf("listing certificates: %w", err)
		}
		cert := r.certificate()
		cert.Revocation = v.optional()
		certs = append(certs, cert)
	}
	if err := rows.Err(); err != nil {
		return nil, "", fmt.Errorf("listing certificates: %w", err)
	}
	certs, next := cut(certs, p.limit(), f.key)
	return certs, next, nil
}

// byEnd says whether the list is ordered by notAfter.
func (f CertificateFilter) byEnd() bool { return f.Live && f.Identity == "" }

func (f CertificateFilter) key(c Certificate) []byte {
	if f.byEnd() {
		return numbered(c.NotAfter.UnixMilli(), c.Serial[:])
	}
	return c.Serial[:]
}

// query returns the list's statement: each form walks one index in the order of
// the list.
func (f CertificateFilter) query(p Page, now int64) (string, []any, error) {
	const columns = `SELECT ` + certificateColumns + `, ` + revocationColumns + `
		FROM certificates c LEFT JOIN revocations r ON r.serial = c.serial `
	const unrevoked = `NOT EXISTS (SELECT 1 FROM revocations v WHERE v.serial = c.serial)`
	size := len(Serial{})
	if f.byEnd() {
		size += 8
	}
	after, err := p.key(size)
	if err != nil {
		return "", nil, err
	}
	if f.byEnd() {
		end, serial := now, bytes.Repeat([]byte{0xff}, len(Serial{}))
		if after != nil {
			if e, s := splitNumbered(after); e > now {
				end, serial = e, s
			}
		}
		return columns + `WHERE (c.not_after, c.serial) > ($1, $2) AND ` + unrevoked + `
			ORDER BY c.not_after, c.serial LIMIT $3`, []any{end, serial, p.limit() + 1}, nil
	}
	if after == nil {
		after = bytes.Repeat([]byte{0xff}, len(Serial{})) // no serial is as high: its time would be in the year 10889
	}
	switch {
	case f.Identity == "":
		return columns + `WHERE c.serial < $1 ORDER BY c.serial DESC LIMIT $2`, []any{after, p.limit() + 1}, nil
	case f.Live:
		return columns + `WHERE c.identity = $1 AND c.serial < $2 AND c.not_after > $3 AND ` + unrevoked + `
			ORDER BY c.serial DESC LIMIT $4`, []any{f.Identity, after, now, p.limit() + 1}, nil
	}
	return columns + `WHERE c.identity = $1 AND c.serial < $2 ORDER BY c.serial DESC LIMIT $3`, []any{f.Identity, after, p.limit() + 1}, nil
}
