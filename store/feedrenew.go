package store

import (
	"context"
	"fmt"
	"sort"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// feedPage is how many revocations are read at once.
const feedPage = 10_000

// renew reads what was revoked since, delivers it, and renews the lease. The row
// comes first, in a transaction of its own: see peers. A process whose lease is over
// joins the others anew.
func (s *feedSession) renew(ctx context.Context) error {
	if s.feed.lease.over() {
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	asked := s.feed.lease.now()
	s.renewed = asked
	s.beats++
	if err := s.write(ctx); err != nil {
		return fmt.Errorf("renewing the lease: %w", err)
	}
	number, all, err := s.catchUp(ctx)
	if err != nil {
		return fmt.Errorf("renewing the lease: %w", err)
	}
	s.feed.lease.extend(asked)
	s.feed.eldest.Store(eldest(all) == s.feed.id)
	s.feed.peers.read(number, others(all, s.feed.id), asked, s.feed.lease.now())
	return s.tell(ctx)
}

const (
	// serverMillis is the server's clock. Nobody else's is ever written.
	serverMillis = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

	writeReplica = `
		INSERT INTO replicas (id, name, version, url, schema, seen, beats, started_at, lease_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE(NULLIF($8::bigint, 0), ` + serverMillis + `), ` + serverMillis + ` + 500)
		ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, beats = excluded.beats, lease_until = excluded.lease_until
		RETURNING started_at`

	// It touches the row that is there: one that was on its way through the network
	// while its process left does not bring the row back.
	beatReplica = `UPDATE replicas SET seen = $2, beats = $3, lease_until = ` + serverMillis + ` + 500 WHERE id = $1`

	// Rows of processes that are gone: an hour ago, or back under their name.
	removeReplicas = `
		DELETE FROM replicas
		WHERE lease_until < ` + serverMillis + ` - 3600000 OR name = $1 AND lease_until < ` + serverMillis + ` - 10000`
)

// join writes the row of a process that had no lease, together with a look at whether
// this program may still work on the database: a migration that ends that waits for
// it, or is seen by it.
func (s *feedSession) join(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	s.beats++
	b := &pgx.Batch{}
	b.Queue(`SELECT pg_advisory_xact_lock_shared($1)`, int64(contractLock))
	b.Queue(removeReplicas, s.db.cfg.Replica.Name)
	b.Queue(writeReplica, s.row()...)
	b.Queue(readOldest, oldestKey)
	results := s.conn.SendBatch(ctx, b)
	defer results.Close()
	for range 2 {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("joining the replicas: %w", err)
		}
	}
	if err := results.QueryRow().Scan(&s.started); err != nil {
		return fmt.Errorf("joining the replicas: %w", err)
	}
	var oldest []byte
	if err := results.QueryRow().Scan(&oldest); err != nil {
		return fmt.Errorf("reading what may work on the schema: %w", err)
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("joining the replicas: %w", err)
	}
	return s.mayGoOn(oldest)
}

// mayGoOn returns [ErrNewerSchema] if this program does not know the schema that
// every program must know.
func (s *feedSession) mayGoOn(oldest []byte) error {
	if n, err := strconv.Atoi(string(oldest)); err != nil || n > s.db.schema {
		return fmt.Errorf("%w: schema %d, which this program knows, was contracted to %q while it was away", ErrNewerSchema, s.db.schema, oldest)
	}
	return nil
}

// row returns the arguments of writeReplica.
func (s *feedSession) row() []any {
	r := s.db.cfg.Replica
	s.told = s.feed.seen.Load()
	return []any{s.feed.id, r.Name, r.Version, r.URL, s.db.schema, s.told, s.beats, s.started}
}

// write writes that this process lives. One whose row was taken away, with all others
// by a crash of the server, joins anew.
func (s *feedSession) write(ctx context.Context) error {
	hasty, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	s.told = s.feed.seen.Load()
	tag, err := s.conn.Exec(hasty, beatReplica, s.feed.id, s.told, s.beats)
	if err == nil && tag.RowsAffected() == 0 {
		return s.join(ctx)
	}
	return err
}

// catchUp reads and delivers what the hooks do not know, page by page, so that a
// process that was away for long comes back in bounded memory.
func (s *feedSession) catchUp(ctx context.Context) (number int64, all []replicaRow, err error) {
	for limit := feedPage; ; {
		var page []Revocation
		if number, page, all, err = s.read(ctx, limit); err != nil {
			return 0, nil, err
		}
		if len(page) < limit {
			s.feed.deliver(page)
			return number, all, nil
		}
		if page = exceptLast(page); len(page) == 0 {
			limit *= 2 // they fell together, and are told together
		}
		s.feed.deliver(page)
	}
}

// exceptLast returns a page without the last number, of which more may follow.
func exceptLast(page []Revocation) []Revocation {
	last := greatest(page)
	return page[:sort.Search(len(page), func(i int) bool { return page[i].Number >= last })]
}

// read reads the CRL number, then a page of what was revoked that the hooks do not
// know, then all replicas, in one round trip; each as it was when its statement
// began. A number below one that was seen shows that the database was set back: a
// standby without all of it became the primary.
func (s *feedSession) read(ctx context.Context, limit int) (number int64, revocations []Revocation, all []replicaRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	seen := s.feed.seen.Load()
	b := &pgx.Batch{}
	b.Queue(`SELECT number FROM crl_number WHERE id = 1`)
	b.Queue(readUnseen+` LIMIT $2`, seen, limit)
	b.Queue(readReplicas)
	b.Queue(readOldest, oldestKey)
	results := s.conn.SendBatch(ctx, b)
	defer results.Close()
	if err := results.QueryRow().Scan(&number); err != nil {
		return 0, nil, nil, err
	}
	rows, err := results.Query()
	if err != nil {
		return 0, nil, nil, err
	}
	if revocations, err = scanRevocations(rows); err != nil {
		return 0, nil, nil, err
	}
	if rows, err = results.Query(); err != nil {
		return 0, nil, nil, err
	}
	if all, err = collectReplicas(rows); err != nil {
		return 0, nil, nil, err
	}
	var oldest []byte
	if err := results.QueryRow().Scan(&oldest); err != nil {
		return 0, nil, nil, err
	}
	if err := results.Close(); err != nil {
		return 0, nil, nil, err
	}
	if number < seen {
		s.db.stop(fmt.Sprintf("the CRL number, which was %d and is %d,", seen, number))
		return 0, nil, nil, s.db.Stopped()
	}
	return number, revocations, all, s.mayGoOn(oldest)
}

// others returns what peers need of all replicas but this one.
func others(all []replicaRow, self int64) []peerRow {
	rows := make([]peerRow, 0, len(all))
	for _, r := range all {
		if r.id != self {
			rows = append(rows, peerRow{r.id, r.beats, r.Seen})
		}
	}
	return rows
}

// tell lets the others know how far this process is, if they do not.
func (s *feedSession) tell(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	if s.feed.seen.Load() == s.told {
		return nil
	}
	s.told = s.feed.seen.Load()
	b := &pgx.Batch{}
	b.Queue(`UPDATE replicas SET seen = $1 WHERE id = $2`, s.told, s.feed.id)
	b.Queue(`SELECT pg_notify('`+channelSeen+`', $1)`, fmt.Sprintf("%d %d", s.feed.id, s.told))
	if err := s.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("telling how far this replica is: %w", err)
	}
	return nil
}
