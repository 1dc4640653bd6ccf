package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// The log's keys are replaced by whichever process is the eldest, by itself.
//
// Entries are sealed under the newest data key, each under a key of its own that is derived
// from it, so that the 2^32 random nonces of an AES-GCM key (NIST SP 800-38D, Section 8.3)
// are no bound here. A data key is replaced so that whoever gets one reads a month. All stay:
// what was sealed under them is read with them. The key of the blind indexes stays too, or
// nothing would be found that was indexed under the one before.
const (
	// DataKeyLife is how long entries are sealed under one data key.
	DataKeyLife = 30 * 24 * time.Hour
	// dataKeyEntries is under how many entries the next data key is made at the latest, but
	// for those that come until it is looked again.
	dataKeyEntries = 1 << 28
	// WrappingKeyLife is how long data keys are wrapped by one wrapping key.
	WrappingKeyLife = 365 * 24 * time.Hour
)

const (
	readDataKeys = `SELECT id, wrapped, created_at FROM audit_keys ORDER BY created_at, id`
	lockDataKeys = readDataKeys + ` {update}`
)

// readDataKeys returns the log's data keys, the oldest first.
func (d *DB) readDataKeys(ctx context.Context) ([]datedKey, error) {
	return d.unwrapped(ctx, readDataKeys)
}

// Keyring returns what opens the log's entries: every data key that is there
// now.
func (d *DB) Keyring(ctx context.Context) (*audit.Keyring, error) {
	keys, err := d.readDataKeys(ctx)
	if err != nil {
		return nil, err
	}
	ring := keyringOf(keys)
	d.log.keyring.Store(ring)
	return ring, nil
}

// sealing returns the writer's sealer, under the data key of now.
func (l *auditLog) sealing() *audit.Sealer {
	if k := l.current.Load(); k.ID != l.sealer.KeyID() {
		l.sealer = audit.NewSealer(l.keys, *k)
	}
	return l.sealer
}

// LogKeys says how old the log's keys are.
type LogKeys struct {
	DataKeys int       // all that there are
	Newest   time.Time // when the one was made that entries are sealed under
	Entries  int64     // sealed since
	Wrapped  time.Time // when the key was made that wraps them
}

// agesOf returns what LogKeys does, but how many entries there are.
func agesOf(all []datedKey, w wrappings) *LogKeys {
	k := &LogKeys{DataKeys: len(all), Newest: all[len(all)-1].made, Wrapped: w.made}
	if k.Wrapped.IsZero() {
		k.Wrapped = all[0].made // the log's own, made with the first of them
	}
	return k
}

// KeyAges is LogKeys from memory, without the entries: of at most ten minutes ago.
func (d *DB) KeyAges() LogKeys { return *d.log.ages.Load() }

// LogKeys returns how old the log's keys are now.
func (d *DB) LogKeys(ctx context.Context) (LogKeys, error) {
	all, err := d.readDataKeys(ctx)
	if err != nil {
		return LogKeys{}, err
	}
	w, err := d.wrappings(ctx, d.reads.query)
	if err != nil {
		return LogKeys{}, err
	}
	k := *agesOf(all, w)
	var before int64
	err = d.reads.row(ctx, `SELECT a.seq FROM audit a WHERE a.at < $1 ORDER BY a.at DESC, a.seq DESC LIMIT 1`, []any{k.Newest.UnixMilli()}, &before)
	if err != nil && !isNotFound(err) {
		return LogKeys{}, fmt.Errorf("counting entries: %w", err)
	}
	if isNotFound(err) && k.DataKeys > 1 { // all before are in the archive
		if err := d.reads.row(ctx, `SELECT COALESCE(MIN(a.seq), 1) - 1 FROM audit a`, nil, &before); err != nil {
			return LogKeys{}, fmt.Errorf("counting entries: %w", err)
		}
	}
	k.Entries = max(0, d.LogSize()-before)
	return k, nil
}

// due says which keys are to be replaced at a time.
func (k LogKeys) due(now time.Time) (data, wrapping bool) {
	return now.Sub(k.Newest) >= DataKeyLife || k.Entries >= dataKeyEntries, now.Sub(k.Wrapped) >= WrappingKeyLife
}

// keysNow replaces the keys that are due, if this process is the one to do it, and seals
// under what whoever it is has made.
func (d *DB) keysNow(ctx context.Context) error {
	var err error
	if d.Eldest() {
		err = d.replaceKeys(ctx)
	}
	return errors.Join(err, d.followKeys(ctx))
}

func (d *DB) replaceKeys(ctx context.Context) error {
	k, err := d.LogKeys(ctx)
	if err != nil {
		return err
	}
	data, wrapping := k.due(d.cfg.Now())
	if data {
		if err := d.ReplaceDataKey(ctx, k.Newest); err != nil && !errors.Is(err, ErrStale) {
			return err
		}
	}
	if wrapping {
		if err := d.ReplaceWrappingKey(ctx, k.Wrapped); err != nil && !errors.Is(err, ErrStale) && !errors.Is(err, ErrOlderReplica) {
			return err
		}
	}
	return d.rewrapJournals(ctx)
}

// followKeys has the writer seal under the newest data key on record.
func (d *DB) followKeys(ctx context.Context) error {
	all, err := d.readDataKeys(ctx)
	if err != nil {
		return err
	}
	w, err := d.wrappings(ctx, d.reads.query)
	if err != nil {
		return err
	}
	d.log.keyring.Store(keyringOf(all))
	d.log.ages.Store(agesOf(all, w))
	newest := all[len(all)-1].DataKey
	d.log.current.Store(&newest)
	return nil
}

// ReplaceDataKey makes the data key that entries are sealed under from now on, if the newest
// was made at a time. The error is [ErrStale] if it was not: of any number of processes,
// one makes the next. The others seal under it within ten minutes.
func (d *DB) ReplaceDataKey(ctx context.Context, newest time.Time) error {
	err := d.write(ctx, &call{alone: func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) {
		all, w, err := tx.lockedKeys(ctx, d)
		if err != nil {
			return nil, err
		}
		last := all[len(all)-1]
		if !last.made.Equal(newest) {
			return nil, ErrStale
		}
		next := audit.NewDataKey()
		made := max(tx.millis(), last.made.UnixMilli()+1)
		tx.demand(1, ErrExists, `INSERT INTO audit_keys (id, wrapped, created_at) VALUES ($1, $2, $3)`, next.ID[:], w.wrap(next), made)
		return []audit.Event{{Action: "keys.replace", Actor: self, Subject: self, Outcome: "ok", Detail: map[string]any{
			"key": next.ID.String(), "after": last.ID.String(), "made": last.made, "keys": len(all) + 1,
		}}}, tx.err
	}})
	if err != nil {
		return fmt.Errorf("replacing the data key: %w", err)
	}
	return d.followKeys(ctx)
}

// lockedKeys reads the log's data keys and what wraps them, and keeps both as they are until
// the transaction ends. What others did is known once they let go of the rows, so it is
// read after that.
func (t *AloneTx) lockedKeys(ctx context.Context, d *DB) ([]datedKey, wrappings, error) {
	rows, err := t.query(ctx, lockDataKeys)
	if err != nil {
		return nil, wrappings{}, err
	}
	for rows.Next() {
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, wrappings{}, err
	}
	w, err := d.wrappings(ctx, t.query)
	if err != nil {
		return nil, wrappings{}, err
	}
	all, err := unwrapAll(ctx, t.query, w, readDataKeys)
	return all, w, err
}
