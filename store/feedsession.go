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

	// feedPatience bounds connecting, and each round trip: a network that drops what it
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

// connect opens the connection, and renews the lease for the first time. It listens
// first, so that nothing can come between what it reads and what it hears.
func (s *feedSession) connect(ctx context.Context) error {
	hasty, cancel := context.WithTimeout(ctx, feedPatience)
	defer cancel()
	conf := s.engine.conf.Copy()
	conf.RuntimeParams["application_name"] = feedName
	conf.RuntimeParams["synchronous_commit"] = "off" // of rows that a crash takes away anyway
	conf.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { s.heard = append(s.heard, n) }
	conn, err := pgx.ConnectConfig(hasty, conf)
	if err != nil {
		return fmt.Errorf("connecting to PostgreSQL: %w", err)
	}
	s.conn, s.heard = conn, nil
	s.feed.peers.forget(s.feed.lease.now())
	if _, err := conn.PgConn().Exec(hasty, listen).ReadAll(); err != nil {
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
