package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// ReplaceWrappingKey makes the key that wraps data keys from now on, and wraps the log's data
// keys with it, in one transaction, if the one before was made at a time; it adds the events
// of why, if there are any. The error is [ErrStale] if it was made at another, and
// [ErrOlderReplica] while a process is on the database that could not read what the key
// wraps. The keys of guards' journals, of which there may be very many, follow in
// transactions of their own, by this process or the next eldest; the wrapping key of before
// is removed when none is left that it wraps.
//
// Killed at any moment, it leaves a store whose keys all open.
func (d *DB) ReplaceWrappingKey(ctx context.Context, before time.Time, why ...audit.Event) error {
	err := d.Understood(ctx)
	if err == nil {
		err = d.replaceWrappingKey(ctx, before, why)
	}
	if err != nil {
		return fmt.Errorf("replacing the wrapping key: %w", err)
	}
	return errors.Join(d.rewrapJournals(ctx), d.followKeys(ctx))
}

// Understood returns [ErrOlderReplica] unless every process on the database knows this
// schema: one that came before wrapping keys could open nothing that one wraps.
func (d *DB) Understood(ctx context.Context) error {
	all, err := d.Replicas(ctx)
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Live && r.Schema < d.schema {
			return fmt.Errorf("%w: %q, version %q", ErrOlderReplica, r.Name, r.Version)
		}
	}
	return nil
}

func (d *DB) replaceWrappingKey(ctx context.Context, before time.Time, why []audit.Event) error {
	return d.write(ctx, &call{alone: func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) {
		all, w, err := tx.lockedKeys(ctx, d)
		if err != nil {
			return nil, err
		}
		made := w.made
		if made.IsZero() {
			made = all[0].made
		}
		if !made.Equal(before) {
			return nil, ErrStale
		}
		next := audit.NewWrappingKey()
		value := binary.BigEndian.AppendUint64(nil, uint64(max(tx.millis(), made.UnixMilli()+1)))
		tx.demand(1, ErrExists, `INSERT INTO meta (key, value) VALUES ($1, $2)`, metaWrapping+hex.EncodeToString(next.ID[:]), append(value, d.cfg.Keys.SealWrapping(next)...))
		tx.demand(anyRows, nil, `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING`, metaRewrap, []byte{1})
		for _, k := range all {
			tx.demand(1, ErrStale, `UPDATE audit_keys SET wrapped = $1 WHERE id = $2`, next.Wrap(k.DataKey), k.ID[:])
		}
		return append(slices.Clone(why), audit.Event{Action: "keys.rewrap", Actor: self, Subject: self, Outcome: "ok", Detail: map[string]any{
			"wrapping": next.ID.String(), "made": made, "keys": len(all),
		}}), tx.err
	}})
}

// rewrapBatch is how many keys of journals are wrapped anew in one transaction: some
// milliseconds for which others wait.
const rewrapBatch = 500

// metaRewrap is there while keys of journals may be wrapped by a key of before.
const metaRewrap = "rewrap"

// rewrapJournals wraps the keys of guards' journals by the newest wrapping key, if some are
// not, and then removes those of before.
func (d *DB) rewrapJournals(ctx context.Context) error {
	var marked []byte
	if err := d.reads.row(ctx, readMeta, []any{metaRewrap}, &marked); err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	for at, more := (journalKeyID{}), true; more; {
		var next journalKeyID
		err := d.quiet(ctx, func(ctx context.Context, tx *AloneTx) (err error) {
			next, more, err = tx.rewrapJournalKeys(ctx, d, at)
			return err
		})
		if err != nil {
			return fmt.Errorf("wrapping the keys of journals anew: %w", err)
		}
		at = next
	}
	if err := d.quiet(ctx, func(ctx context.Context, tx *AloneTx) error { return tx.retireWrappings(ctx, d) }); err != nil {
		return fmt.Errorf("removing the wrapping key of before: %w", err)
	}
	return nil
}

// A journalKeyID is the primary key of a journal's key.
type journalKeyID struct {
	origin string
	id     []byte
}

// rewrapJournalKeys goes on after a key, and returns the last that it read.
func (t *AloneTx) rewrapJournalKeys(ctx context.Context, d *DB, after journalKeyID) (last journalKeyID, more bool, err error) {
	w, err := d.wrappings(ctx, t.query)
	if err != nil {
		return after, false, err
	}
	rows, err := t.query(ctx, `
		SELECT k.origin, k.id, k.wrapped FROM journal_keys k
		WHERE (k.origin, k.id) > ($1, $2) ORDER BY k.origin, k.id LIMIT $3`, after.origin, append([]byte{}, after.id...), rewrapBatch)
	if err != nil {
		return after, false, err
	}
	type row struct {
		journalKeyID
		wrapped []byte
	}
	var page []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.origin, &r.id, &r.wrapped); err != nil {
			return after, false, errors.Join(err, rows.Close())
		}
		page = append(page, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return after, false, err
	}
	last = after
	for _, r := range page {
		last = r.journalKeyID
		if w.current(r.wrapped) {
			continue
		}
		key, err := w.unwrap(audit.KeyID(r.id), r.wrapped)
		if err != nil {
			return after, false, err
		}
		t.demand(anyRows, nil, `UPDATE journal_keys SET wrapped = $1 WHERE origin = $2 AND id = $3`, w.wrap(key), r.origin, r.id)
	}
	return last, len(page) == rewrapBatch, t.err
}

// retireWrappings removes the wrapping keys of before, unless something is wrapped by them
// still: by a process that wrapped it before it knew of the newest. It waits for those that
// are about to.
func (t *AloneTx) retireWrappings(ctx context.Context, d *DB) error {
	t.demand(anyRows, nil, `UPDATE meta SET value = value WHERE key >= $1 AND key < $2`, metaWrapping, metaWrapping+"g")
	w, err := d.wrappings(ctx, t.query)
	if err != nil {
		return err
	}
	for _, query := range []string{
		`SELECT k.id FROM journal_keys k WHERE substr(k.wrapped, 1, 8) <> $1 OR length(k.wrapped) <> $2 LIMIT 1`,
		`SELECT k.id FROM audit_keys k WHERE substr(k.wrapped, 1, 8) <> $1 OR length(k.wrapped) <> $2 LIMIT 1`,
	} {
		var id []byte
		if err := t.row(ctx, query, []any{w.newest[:], len(w.wrap(audit.DataKey{}))}, &id); !isNotFound(err) {
			return err // nil: there is one, and the next to look wraps it
		}
	}
	for id := range w.all {
		if id != w.newest {
			t.demand(1, ErrStale, `DELETE FROM meta WHERE key = $1`, metaWrapping+hex.EncodeToString(id[:]))
		}
	}
	t.demand(anyRows, nil, `DELETE FROM meta WHERE key = $1`, metaRewrap)
	return t.err
}
