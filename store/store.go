package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// Config says where the store is and what it needs.
type Config struct {
	// DSN is "sqlite:PATH", or "postgres://..." as PostgreSQL's own tools read it.
	// Required. The file is made with mode 0600 if it does not exist; its folder
	// and a PostgreSQL database must.
	DSN string

	// Keys are the audit log's keys. Required; a store that was written under
	// other keys does not open.
	Keys *audit.Keys

	// Origin is the name of the log for ever: "<trust domain>/log". Required.
	Origin string

	// Evidence is the file that every signed checkpoint is appended to, so that
	// somebody who owns the database cannot shorten the log unseen. It belongs on
	// another device. Empty: none is kept.
	Evidence string

	// IDFile is the file beside the keys that repeats the store's name, so that another
	// store in its place shows. It is made with the store. Empty: none is kept.
	IDFile string

	// Recover opens a store that would not be opened, since it was restored or set back,
	// for [DB.Recover]. Nothing else is to be done with it.
	Recover bool

	// Existing has Open make no store where there is none, and return [ErrNoStore]: an empty
	// one knows of no revocation.
	Existing bool

	// Retention is what leaves when.
	Retention Retention

	// BackupDir is where a copy goes before a migration changes a store that holds
	// something; see [MigrationCopies]. Empty: beside the SQLite file, or the working
	// directory.
	BackupDir string

	// NoBackup migrates without a copy. It is for the operator who has one of his own:
	// on PostgreSQL without pg_dump there is no other way.
	NoBackup bool

	// Replica says who this process is to others on the same PostgreSQL database.
	Replica Replica

	// Log gets what an operator should know, and never a secret. Nil: nothing.
	Log *slog.Logger

	// Now is the clock. Nil: time.Now, which is then compared with the monotonic one,
	// and with the database server's.
	Now func() time.Time

	// AcceptClock takes the clock for right though the log's newest entry is dated
	// after it: for the operator who knows that the clock was ahead when that was
	// written. Without it see [ErrClock].
	AcceptClock bool
}

// A DB is an open store. Its methods may be used concurrently.
type DB struct {
	cfg    Config
	keep   Retention // with its defaults
	engine engine
	reads  *reads
	writer *writer
	log    *auditLog
	nonces nonces
	clock  clock
	feed   feed

	tokenHolders gatherer[*tokenHolderRow]
	holders      gatherer[*holderRow]

	counts   recent[Counts]
	byIssuer recent[map[string]IssuerCount]
	replaced recent[map[string]int64]
	counting sync.WaitGroup // of those that are made beside

	keepExpired func() time.Duration // see KeepExpired; nil: for no time
	keepFor     []string             // see KeepFor

	idleCalls int64 // of giveBack's goroutine: calls of the writer as it saw them last

	leave  func()    // ends what keeps the feed
	schema int       // newest that this program knows
	opened time.Time // by our clock
	said   Said      // when it was opened
	seen   Seen

	stopped atomic.Pointer[error] // why nothing is signed any more
}

// Open opens the store and brings its schema up to date: see [Config] for what
// happens to a store that holds something. It returns [ErrNewerSchema] if a newer
// program was here before and contracted the schema, [ErrOlderReplica] if this one
// would, while a replica that cannot go on then is there, [ErrSetBack] if the log is not the one that the newest
// checkpoint here or in the evidence was signed of, [ErrRestored] if it came out of a
// backup (see [Judge]), and an error if the log's keys are not this store's.
//
// Open starts the writer; Close stops it. One process at a time may have an
// SQLite store open for writing: the caller sees to that. Any number may share a
// PostgreSQL one.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Keys == nil || cfg.Origin == "" {
		return nil, errors.New("store: the log's keys and origin are required")
	}
	ours := cfg.Now == nil
	if ours {
		cfg.Now = time.Now
	}
	if cfg.Existing {
		if err := cfg.exists(); err != nil {
			return nil, err
		}
	}
	engine, err := openEngine(ctx, cfg)
	if err != nil {
		return nil, err
	}
	d := &DB{cfg: cfg, keep: cfg.Retention.orDefaults(), engine: engine, reads: engine.reader(), opened: cfg.Now()}
	if err := d.start(ctx, ours); err != nil {
		return nil, errors.Join(err, d.reads.close(), engine.close())
	}
	return d, nil
}

// start begins with what is on record; ours says that the clock is this machine's.
func (d *DB) start(ctx context.Context, ours bool) error {
	var err error
	if d.schema, err = migrate(ctx, d.engine, d.cfg); err != nil {
		return err
	}
	if d.nonces, err = d.engine.nonces(ctx); err != nil {
		return err
	}
	if err := d.identify(ctx); err != nil {
		return err
	}
	log, err := openLog(ctx, d)
	if err != nil {
		return fmt.Errorf("opening the audit log: %w", err)
	}
	d.log = log
	var newest time.Time
	if !d.engine.shared() && !d.cfg.AcceptClock {
		if newest, err = d.newestEntry(ctx); err != nil {
			return err
		}
	}
	d.clock.start(func() time.Time { return d.cfg.Now() }, newest, ours)
	if err := d.askTime(ctx); err != nil {
		return err
	}
	if err := d.stand(); err != nil {
		return err
	}
	number, err := d.CRLNumber(ctx)
	if err != nil {
		return err
	}
	d.feed.seen.Store(number)
	d.feed.lease.base = time.Now()
	leave, err := d.engine.follow(ctx, d)
	if err != nil {
		return err
	}
	d.leave = sync.OnceFunc(leave)
	d.writer = newWriter(d)
	return nil
}

// Close waits for the calls that have begun, refuses others with [ErrClosed], and
// closes the store. Run must have returned.
func (d *DB) Close() error {
	d.writer.close()
	d.counting.Wait()
	d.leave()
	return errors.Join(d.reads.close(), d.engine.close())
}

// Update commits what fn demands of its Tx, together with the event that fn
// returns: both are on disk when Update returns nil, or neither is. If a demand
// is not met, Update returns that demand's error.
//
// Calls that arrive together share one transaction and one fsync. It runs under
// the writer's context, not ctx: a ctx that is done keeps a call from beginning,
// and has no effect afterwards. The caller always learns whether the call was
// recorded, but for [ErrUnknown].
//
// fn runs in the caller's goroutine. It only collects: it must not block.
func (d *DB) Update(ctx context.Context, fn func(*Tx) audit.Event) error {
	if err := d.Stopped(); err != nil {
		return err
	}
	tx := Tx{now: d.cfg.Now()}
	event := fn(&tx)
	return d.write(ctx, &call{demands: tx.demands, revokes: tx.revokes, events: []audit.Event{event}})
}

// UpdateAlone is Update for the few calls that must read inside their
// transaction: fn's transaction holds nothing else, and on SQLite nothing else is
// written while it runs. If fn returns an error, so does UpdateAlone, and nothing
// is recorded.
//
// fn may run more than once. It must use the ctx it gets, which is the writer's,
// and be quick: every other write waits for it.
//
// A full disk does not stop UpdateAlone as long as the ballast lasts: revoking
// must always be possible.
func (d *DB) UpdateAlone(ctx context.Context, fn func(context.Context, *AloneTx) (audit.Event, error)) error {
	return d.UpdateMany(ctx, func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) {
		event, err := fn(ctx, tx)
		return []audit.Event{event}, err
	})
}

// UpdateMany is UpdateAlone for several things at once, each with an event of its
// own: all of them are recorded, or none. With no event there must be nothing that
// fn changed. Since all other writes wait for it, fn does some dozens and no more.
func (d *DB) UpdateMany(ctx context.Context, fn func(context.Context, *AloneTx) ([]audit.Event, error)) error {
	return d.write(ctx, &call{essential: true, alone: fn})
}

// Relaxed commits what fn demands of its RelaxedTx, in order with all other
// writes, but without waiting for the disk: a crash may lose it. It is for what
// can be lost, and leaves no audit entry.
func (d *DB) Relaxed(ctx context.Context, fn func(*RelaxedTx)) error {
	tx := RelaxedTx{Tx{now: d.cfg.Now()}}
	fn(&tx)
	return d.write(ctx, &call{demands: tx.tx.demands, relaxed: true})
}

// Durable is Relaxed for what cannot be lost: it is on disk when Durable returns nil. It
// shares transaction and fsync with the calls that arrive with it, as Update does, and
// leaves no audit entry either.
func (d *DB) Durable(ctx context.Context, fn func(*RelaxedTx)) error {
	tx := RelaxedTx{Tx{now: d.cfg.Now()}}
	fn(&tx)
	return d.write(ctx, &call{demands: tx.tx.demands})
}

// quiet is UpdateAlone without an audit entry, for the store's own bookkeeping,
// and without a right to the last of the disk.
func (d *DB) quiet(ctx context.Context, fn func(context.Context, *AloneTx) error) error {
	return d.write(ctx, quietly(fn))
}

func quietly(fn func(context.Context, *AloneTx) error) *call {
	return &call{alone: func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) { return nil, fn(ctx, tx) }}
}

// write puts a call through the writer. If it revoked, it returns when every other
// process on the database has applied that, or has lapsed: see package doc.
func (d *DB) write(ctx context.Context, c *call) error {
	if err := d.feed.refusal(); err != nil {
		return err
	}
	err := d.writer.do(ctx, c)
	if err == nil && c.number > 0 && d.engine.shared() {
		d.feed.peers.await(c.number)
	}
	return err
}
