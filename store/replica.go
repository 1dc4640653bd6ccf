package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// A Replica says who a process is to the others on its PostgreSQL database, and to
// people. A process without a name is a tool: while there is one with a name, it is
// not the eldest.
type Replica struct {
	Name    string
	Version string // of the program
	URL     string // where it serves
}

// A ReplicaStatus is a process on the database.
type ReplicaStatus struct {
	Replica
	Schema  int       // newest that the program knows
	Seen    int64     // CRL number up to which it has applied what was revoked
	Newest  int64     // and the greatest under which something was; the same for all
	Started time.Time // by the database's clock
	Live    bool      // it renewed its lease within 500 ms
	Eldest  bool      // of those that are live
	Self    bool
}

// Eldest says that this process is the live one that started first: it does what
// one of them should do. While replicas come and go two may believe it for a moment,
// or none. On SQLite it is always so.
func (d *DB) Eldest() bool { return d.feed.eldest.Load() && !d.Lapsed() }

// Replicas returns the processes on the database, the first that started first, and
// those that ended without a word within the last hour unless they are back under
// the same name. On SQLite it is this one.
func (d *DB) Replicas(ctx context.Context) ([]ReplicaStatus, error) {
	if !d.engine.shared() {
		return []ReplicaStatus{{Replica: d.cfg.Replica, Schema: d.schema, Seen: d.feed.seen.Load(), Started: d.opened, Live: true, Eldest: true, Self: true}}, nil
	}
	// Not the greatest that one has applied: who has just started has applied all up to the
	// number of the newest list, and numbers rise without revocations.
	var newest int64 // read first, so that nobody is behind who was not asked yet
	if err := d.reads.row(ctx, `SELECT COALESCE(MAX(r.number), 0) FROM revocations r`, nil, &newest); err != nil {
		return nil, fmt.Errorf("reading replicas: %w", err)
	}
	rows, err := d.reads.query(ctx, readReplicas)
	if err != nil {
		return nil, fmt.Errorf("reading replicas: %w", err)
	}
	defer rows.Close()
	all, err := collectReplicas(rows)
	if err != nil {
		return nil, err
	}
	out := statuses(all, d.feed.id)
	for i := range out {
		out[i].Newest = newest
	}
	return out, nil
}

// readReplicas reads the rows of all processes.
const readReplicas = `
	SELECT p.id, p.name, p.version, p.url, p.schema, p.seen, p.beats, p.started_at,
		p.lease_until > (extract(epoch FROM clock_timestamp()) * 1000)::bigint
	FROM replicas p ORDER BY p.id`

// A replicaRow is a process as the table has it.
type replicaRow struct {
	ReplicaStatus
	id, beats int64
}

// collectReplicas reads what readReplicas found, of database/sql or of pgx, the
// eldest first.
func collectReplicas(rows interface {
	Next() bool
	Scan(...any) error
	Err() error
}) ([]replicaRow, error) {
	var all []replicaRow
	for rows.Next() {
		var r replicaRow
		var started int64
		if err := rows.Scan(&r.id, &r.Name, &r.Version, &r.URL, &r.Schema, &r.Seen, &r.beats, &started, &r.Live); err != nil {
			return nil, fmt.Errorf("reading replicas: %w", err)
		}
		r.Started = fromMillis(started)
		all = append(all, r)
	}
	slices.SortFunc(all, older)
	return all, rows.Err()
}

// older orders by age, and tools behind all others.
func older(a, b replicaRow) int {
	if tool := (a.Name == ""); tool != (b.Name == "") {
		if tool {
			return 1
		}
		return -1
	}
	return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.id, b.id))
}

// eldest returns the id of the first that is live, 0 if none is.
func eldest(all []replicaRow) int64 {
	for _, r := range all {
		if r.Live {
			return r.id
		}
	}
	return 0
}

func statuses(rows []replicaRow, self int64) []ReplicaStatus {
	live := map[string]bool{}
	for _, r := range rows {
		live[r.Name] = live[r.Name] || r.Live
	}
	first := eldest(rows)
	var all []ReplicaStatus
	for _, r := range rows {
		if !r.Live && live[r.Name] {
			continue
		}
		r.Eldest, r.Self = r.id == first, r.id == self
		all = append(all, r.ReplicaStatus)
	}
	return all
}
