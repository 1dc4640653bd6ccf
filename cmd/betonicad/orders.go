package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Actions of orders, in the audit log.
const (
	actionRotate = "issuer.rotate"
	actionStop   = "issuer.stop"
	actionBack   = "issuer.back"
	actionResume = "issuer.resume"
	actionRevoke = "issuer.revoke"
	actionKeys   = "keys.rotate"
)

// record puts on record what was ordered since the last order there. The tools
// cannot: the store is the daemon's. An order is on record before it is in force.
func record(ctx context.Context, db *store.DB, orders []order) error {
	if len(orders) == 0 {
		return nil
	}
	newest, err := recorded(ctx, db)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if o.Revision <= newest {
			continue
		}
		detail := map[string]any{"revision": o.Revision, "ordered_at": o.At}
		for key, value := range o.Detail {
			detail[key] = value
		}
		event := audit.Event{Action: o.Action, Actor: o.By, Subject: o.Subject, Outcome: "ok", Detail: detail}
		put := func(ctx context.Context) error {
			return db.Update(ctx, func(*store.Tx) audit.Event { return event })
		}
		if o.Action == actionKeys {
			put = func(ctx context.Context) error { return replaceKeys(ctx, db, event) }
		}
		if err := put(ctx); err != nil {
			return err
		}
	}
	return nil
}

// replaceKeys replaces the log's keys, and puts on record that it was ordered: once with
// the key that wraps the others. Whoever replaces one at the same time only makes it newer.
func replaceKeys(ctx context.Context, db *store.DB, ordered audit.Event) error {
	for {
		k, err := db.LogKeys(ctx)
		if err != nil {
			return err
		}
		if err := db.ReplaceDataKey(ctx, k.Newest); err != nil && !errors.Is(err, store.ErrStale) {
			return err
		}
		if err := db.ReplaceWrappingKey(ctx, k.Wrapped, ordered); !errors.Is(err, store.ErrStale) {
			return err
		}
	}
}

// recorded returns the revision of the newest order on record.
func recorded(ctx context.Context, db *store.DB) (newest int64, err error) {
	for _, action := range []string{actionRotate, actionStop, actionBack, actionResume, actionRevoke, actionKeys} {
		entries, _, err := db.AuditEntries(ctx, store.AuditFilter{Action: action}, store.Page{Limit: 1})
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			revision, err := strconv.ParseInt(fmt.Sprint(e.Detail["revision"]), 10, 64)
			if err != nil {
				continue // its data key was destroyed: rather twice on record than not at all
			}
			newest = max(newest, revision)
		}
	}
	return newest, nil
}
