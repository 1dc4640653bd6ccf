package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// follow keeps a session that listens to the other processes, and opens another
// when it is lost. A server that is only slow to take the first is given more time.
func (e *postgres) follow(ctx context.Context, d *DB) (leave func(), err error) {
	s := newFeedSession(e, d)
	for tries := 1; ; tries++ {
		err := s.connect(ctx)
		if err == nil {
			break
		}
		if slow := errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err); !slow || ctx.Err() != nil || tries == 5 {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	return func() {
		cancel()
		<-done
		s.leave()
	}, nil
}

// run is the feed's goroutine.
func (s *feedSession) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		s.db.cfg.Log.Warn("the feed of revocations is interrupted", "error", s.closed(err))
		s.reconnect(ctx)
	}
}

// follow renews the lease, often and whenever something was revoked, until the
// session is lost.
func (s *feedSession) follow(ctx context.Context) error {
	for {
		if err := s.wait(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := s.renew(ctx); err != nil {
			return err
		}
	}
}

// reconnect tries until there is a session again.
func (s *feedSession) reconnect(ctx context.Context) {
	began := s.feed.lease.now()
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		err := s.connect(ctx)
		if err == nil {
			s.db.cfg.Log.Info("the feed of revocations goes on", "away", s.feed.lease.now()-began)
			s.feed.notices.missed()
			return
		}
		if errors.Is(err, ErrNewerSchema) && s.feed.refusal() == nil {
			s.db.cfg.Log.Error("this program must not go on", "error", err)
			s.feed.refuse(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
	}
}

// leave ends the lease, and then takes the row away, so that nobody waits for this
// process.
func (s *feedSession) leave() {
	s.feed.lease.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.remove(ctx); err != nil {
		s.db.cfg.Log.Warn("this replica's row stays until others find it dead", "error", err)
	}
	if s.conn != nil {
		s.conn.Close(ctx)
	}
}

// remove takes the row away, by another connection if what was under way on this one
// ended it.
func (s *feedSession) remove(ctx context.Context) (err error) {
	if s.conn == nil || s.conn.IsClosed() {
		if s.conn, err = pgx.ConnectConfig(ctx, s.engine.conf); err != nil {
			return err
		}
	}
	_, err = s.conn.Exec(ctx, `DELETE FROM replicas WHERE id = $1`, s.feed.id)
	return err
}

func (e *postgres) announce(ctx context.Context, s *session, number int64) error {
	_, err := s.exec(ctx, `SELECT pg_notify('`+channelRevoked+`', $1)`, strconv.FormatInt(number, 10))
	return err
}

func (e *postgres) notify(ctx context.Context, _ *notices, topic, payload string) error {
	_, err := e.pool.Exec(ctx, `SELECT pg_notify('`+channelNotice+`', $1)`, topic+" "+payload)
	return err
}
