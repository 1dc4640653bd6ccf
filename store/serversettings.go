package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// ServerSettings are those of a PostgreSQL server that matter to a store.
type ServerSettings struct {
	Version                           string
	Fsync, FullPageWrites, Autovacuum bool
	SynchronousCommit                 string // that sessions begin with
	WALCompression                    bool
	MaxWAL                            int64 // bytes that are written between checkpoints, about
	CheckpointTimeout                 time.Duration
	SharedBuffers                     int64 // bytes
	Database                          int64 // bytes that the database takes
	Connections                       int64 // that the data source's user may have, all in all
	PerDaemon                         int64 // of these, what one daemon takes at most
	Here                              bool  // the server is on this machine
}

// ServerSettings returns what the server of the store is set to; nil on SQLite.
func (i *Inspection) ServerSettings(ctx context.Context) (*ServerSettings, error) {
	e, ok := i.db.engine.(*postgres)
	if !ok {
		return nil, nil
	}
	set, err := settings(ctx, i.db.reads)
	if err != nil {
		return nil, err
	}
	s := &ServerSettings{
		Version: set["server_version"],
		Fsync:   set["fsync"] == "on", FullPageWrites: set["full_page_writes"] == "on",
		Autovacuum:        set["autovacuum"] == "on" && set["track_counts"] == "on", // the one cannot do without the other
		SynchronousCommit: set["synchronous_commit"], WALCompression: set["wal_compression"] != "off",
		MaxWAL:            number(set, "max_wal_size") << 20,
		CheckpointTimeout: time.Duration(number(set, "checkpoint_timeout")) * time.Second,
		SharedBuffers:     number(set, "shared_buffers") * number(set, "block_size"),
		Connections:       number(set, "max_connections"),
		PerDaemon:         int64(e.pool.Config().MaxConns) + ownSessions,
	}
	var anybody bool
	var ofUser, ofDatabase int64
	err = i.db.reads.row(ctx, `
		SELECT pg_database_size(d.oid), d.datconnlimit, r.rolconnlimit, r.rolsuper, COALESCE(inet_server_addr() = inet_client_addr(), TRUE)
		FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user`, nil,
		&s.Database, &ofDatabase, &ofUser, &anybody, &s.Here)
	if err != nil {
		return nil, fmt.Errorf("reading the server's settings: %w", err)
	}
	if !anybody { // some are for superusers alone, whom no limit binds
		s.Connections -= number(set, "superuser_reserved_connections") + number(set, "reserved_connections")
		for _, limit := range []int64{ofUser, ofDatabase} {
			if limit >= 0 {
				s.Connections = min(s.Connections, limit)
			}
		}
	}
	s.Here = s.Here && isHere(e.conf)
	return s, nil
}

// ownSessions are the connections of a daemon beside its pool: the writer's and the feed's.
const ownSessions = 2

// settings returns them as the server writes them, in its units.
func settings(ctx context.Context, r *reads) (map[string]string, error) {
	rows, err := r.query(ctx, `
		SELECT s.name, s.setting FROM pg_settings s WHERE s.name IN (
			'server_version', 'fsync', 'full_page_writes', 'autovacuum', 'track_counts', 'synchronous_commit', 'wal_compression',
			'max_wal_size', 'checkpoint_timeout', 'shared_buffers', 'block_size',
			'max_connections', 'superuser_reserved_connections', 'reserved_connections')`)
	if err != nil {
		return nil, fmt.Errorf("reading the server's settings: %w", err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("reading the server's settings: %w", err)
		}
		all[name] = value
	}
	return all, rows.Err()
}

// number returns a setting that is one, or 0 where this version of the server has none.
func number(set map[string]string, name string) int64 {
	n, _ := strconv.ParseInt(set[name], 10, 64)
	return n
}

// isHere says that a data source leads to this machine, though perhaps only to a proxy.
func isHere(conf *pgx.ConnConfig) bool {
	switch host := conf.Host; host {
	case "localhost", "127.0.0.1", "::1":
		return true
	default:
		return len(host) > 0 && host[0] == '/' // a socket
	}
}

// GivesBack says whether the file of an SQLite store can shrink, and how many of its
// bytes are free; on PostgreSQL it is true.
func (i *Inspection) GivesBack(ctx context.Context) (gives bool, free int64, err error) {
	e, ok := i.db.engine.(*sqlite)
	if !ok {
		return true, 0, nil
	}
	var mode, pages, size int64
	for _, ask := range []struct {
		pragma string
		to     *int64
	}{{`PRAGMA auto_vacuum`, &mode}, {`PRAGMA freelist_count`, &pages}, {`PRAGMA page_size`, &size}} {
		if err := e.read.QueryRowContext(ctx, ask.pragma).Scan(ask.to); err != nil {
			return false, 0, e.explain(err)
		}
	}
	return mode != 0, pages * size, nil
}
