package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// What is sent by NOTIFY, and what it says.
	channelRevoked = "betonica_revoked" // a CRL number
	channelSeen    = "betonica_seen"    // the id of a process, and the CRL number that it has applied
	channelNotice  = "betonica_notice"  // a topic, and a payload

	listen = `LISTEN betonica_revoked; LISTEN betonica_seen; LISTEN betonica_notice`

	// feedName is what PostgreSQL's activity shows the session as.
	feedName = "betonica feed"

	// feedPatience bounds connecting, and one renewal: a network that drops what it
	// is given must not hold the feed longer than it takes to try another connection.
	feedPatience = 3 * time.Second
)

// A feedSession is a process's connection for what others do. It belongs to one
// goroutine at a time: Open's, then the feed's, then Close's.
type feedSession struct {
	engine  *postgres
	db      *DB
	feed    *feed
	conn    *pgx.Conn
	heard   []*pgconn.Notification // not yet dealt with
	renewed time.Duration          // when the last renewal began
	told    int64                  // greatest CRL number that others were told to be applied here
	beats   int64                  // of our row
	started int64                  // of our row, as the server said first
}

func newFeedSession(e *postgres, d *DB) *feedSession {
	var id [8]byte
	rand.Read(id[:])
	d.feed.id = int64(binary.BigEndian.Uint64(id[:]) >> 1)
	return &feedSession{engine: e, db: d, feed: &d.feed}
}

// connect opens the connection, and renews the lease for the first time. It listens first, so that nothing can come between what
// it reads and what it hears.
func (s *feedSession) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	conf := s.engine.conf.Copy()
	conf.RuntimeParams["application_name"] = feedName
	conf.RuntimeParams["synchronous_commit"] = "off" // of rows that a crash takes away anyway
	conf.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { s.heard = append(s.heard, n) }
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	s.conn, s.heard = conn, nil
	s.feed.peers.forget(s.feed.lease.now())
	if _, err := conn.PgConn().Exec(ctx, listen).ReadAll(); err != nil {
		return s.closed(err)
	}
	if err := s.renew(ctx); err != nil {
		return s.closed(err)
	}
	return nil
}

// closed gives the connection up, and returns err.
func (s *feedSession) closed(err error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Close(ctx)
	s.conn = nil
	s.feed.peers.forget(s.feed.lease.now())
	return err
}

const (
	// serverMillis is the server's clock. Nobody else's is ever written.
	serverMillis = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

	writeReplica = `
		INSERT INTO replicas (id, name, version, url, schema, seen, beats, started_at, lease_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE(NULLIF($8::bigint, 0), ` + serverMillis + `), ` + serverMillis + ` + 500)
		ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, beats = excluded.beats, lease_until = excluded.lease_until
		RETURNING started_at`

	// Rows of processes that are gone: an hour ago, or back under their name.
	removeReplicas = `
		DELETE FROM replicas
		WHERE lease_until < ` + serverMillis + ` - 3600000 OR name = $1 AND lease_until < ` + serverMillis + ` - 10000`
)

// join writes the row of a process that had no lease, together with a look at whether
// this program may still work on the database: a migration that ends that waits for
// it, or is seen by it.
func (s *feedSession) join(ctx context.Context) error {
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

// renew reads what was revoked since, delivers it, and renews the lease. The row
// comes first, in a transaction of its own: see peers. A process whose lease is over
// joins the others anew.
func (s *feedSession) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	if s.feed.lease.over() {
		if err := s.join(ctx); err != nil {
			return err
		}
	}
	asked := s.feed.lease.now()
	s.renewed = asked
	s.beats++
	if _, err := s.conn.Exec(ctx, writeReplica, s.row()...); err != nil {
		return fmt.Errorf("renewing the lease: %w", err)
	}
	number, revocations, all, err := s.read(ctx)
	if err != nil {
		return fmt.Errorf("renewing the lease: %w", err)
	}
	s.feed.deliver(revocations)
	s.feed.lease.extend(asked)
	s.feed.eldest.Store(eldest(all) == s.feed.id)
	s.feed.peers.read(number, others(all, s.feed.id), asked, s.feed.lease.now())
	return s.tell(ctx)
}

// read reads the CRL number, then what was revoked that the hooks do not know, then
// all replicas, in one round trip; each as it was when its statement began.
func (s *feedSession) read(ctx context.Context) (number int64, revocations []Revocation, all []replicaRow, err error) {
	b := &pgx.Batch{}
	b.Queue(`SELECT number FROM crl_number WHERE id = 1`)
	b.Queue(readUnseen, s.feed.seen.Load())
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

// hear deals with what was heard, and says whether something was revoked.
func (s *feedSession) hear() (revoked bool) {
	heard := s.heard
	s.heard = nil
	for _, n := range heard {
		first, rest, _ := strings.Cut(n.Payload, " ")
		switch n.Channel {
		case channelRevoked:
			revoked = true
		case channelSeen:
			id, err := strconv.ParseInt(first, 10, 64)
			if number, err2 := strconv.ParseInt(rest, 10, 64); err == nil && err2 == nil && id != s.feed.id {
				s.feed.peers.saw(id, number)
			}
		case channelNotice:
			s.feed.notices.deliver(notice{first, rest})
		}
	}
	return revoked
}

// wait returns when it is time to renew.
func (s *feedSession) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewEvery-(s.feed.lease.now()-s.renewed))
	defer cancel()
	for !s.hear() {
		if err := s.conn.PgConn().WaitForNotification(ctx); err != nil {
			if pgconn.Timeout(err) && !s.conn.IsClosed() {
				return nil
			}
			return err
		}
	}
	return nil
}
