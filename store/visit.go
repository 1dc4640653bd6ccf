package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/betonica/betonica/store/audit"
)

// A Visit is a look at a store by somebody who is no part of it yet: it reads a few
// things and changes nothing, not even the schema.
type Visit struct{ log *Log }

// OpenVisit opens the store that a data source names, without any key of it. It
// returns an error for a database that holds no store, [ErrNewerSchema] for one that
// a newer program has changed, and an error for one that is older than this program's.
func OpenVisit(ctx context.Context, dsn string) (*Visit, error) {
	log, err := OpenLog(ctx, Config{DSN: dsn})
	if sqlState(err) == "42P01" { // undefined_table
		return nil, errors.New("store: this database holds no store")
	}
	if err != nil {
		return nil, err
	}
	return &Visit{log}, nil
}

// Deposit is [DB.Deposit].
func (v *Visit) Deposit(ctx context.Context) (Deposit, error) { return v.log.db.Deposit(ctx) }

// CurrentPolicy is [DB.CurrentPolicy].
func (v *Visit) CurrentPolicy(ctx context.Context) (Policy, error) {
	return v.log.db.CurrentPolicy(ctx)
}

// Unlock has these be the keys of the log. It returns an error unless they are, and
// [ErrSetBack] unless the log is the one of this origin and extends the newest
// checkpoint that was signed in it.
func (v *Visit) Unlock(ctx context.Context, keys *audit.Keys, origin string) error {
	d := v.log.db
	d.cfg.Keys, d.cfg.Origin = keys, origin
	dataKeys, err := d.readDataKeys(ctx)
	if err != nil {
		return err
	}
	if len(dataKeys) == 0 {
		return errors.New("store: the log has no key, and so no entry")
	}
	log := &auditLog{keys: keys}
	log.keyring.Store(keyringOf(dataKeys))
	witnesses, err := d.witnesses(ctx)
	if err != nil {
		return err
	}
	source, err := d.AuditSource(ctx)
	if err != nil {
		return err
	}
	if log.tree, err = audit.LoadTree(ctx, source, source.size); err != nil {
		return err
	}
	why, err := log.contradictedBy(ctx, witnesses, source)
	if err != nil {
		return err
	}
	if why != nil {
		return fmt.Errorf("%w: %w", ErrSetBack, why)
	}
	d.log = log
	return d.readSaid(ctx)
}

// Said returns what the store says of itself. Unlock must have returned nil.
func (v *Visit) Said() Said { return v.log.db.said }

// Newest returns the newest entry of the log that has this action, or
// [ErrNotFound]. Unlock must have returned nil.
func (v *Visit) Newest(ctx context.Context, action string) (audit.Entry, error) {
	entries, _, err := v.log.db.AuditEntries(ctx, AuditFilter{Action: action}, Page{Limit: 1})
	if err != nil {
		return audit.Entry{}, err
	}
	if len(entries) == 0 {
		return audit.Entry{}, fmt.Errorf("an entry %s: %w", action, ErrNotFound)
	}
	return entries[0], nil
}

// Close closes the store.
func (v *Visit) Close() error { return v.log.Close() }
