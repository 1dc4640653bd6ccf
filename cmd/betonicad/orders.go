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
//
// New keys of the log wait while a replica is there that could not read with them; then all
// else is on record, and the error is [store.ErrOlderReplica].
func record(ctx context.Context, db *store.DB, orders []order) error {
	if len(orders) == 0 {
		return nil
	}
	newest, err := recorded(ctx, db, actionRotate, actionStop, actionBack, actionResume, actionRevoke)
	if err != nil {
		return err
	}
	keys, err := recorded(ctx, db, actionKeys)
	if err != nil {
		return err
	}
	var waits error
	for _, o := range orders {
		if o.Action == actionKeys && o.Revision <= keys || o.Action != actionKeys && o.Revision <= newest {
			continue
		}
		detail := map[string]any{"revision": o.Revision, "ordered_at": o.At}
		for key, value := range o.Detail {
			detail[key] = value
		}
		event := audit.Event{Action: o.Action, Actor: o.By, Subject: o.Subject, Outcome: "ok", Detail: detail}
		if o.Action == actionKeys {
			err = replaceKeys(ctx, db, o.Revision, event)
		} else {
			err = db.Update(ctx, func(*store.Tx) audit.Event { return event })
		}
		switch {
		case errors.Is(err, store.ErrOlderReplica):
			waits = fmt.Errorf("the audit log's keys are not replaced yet, as was ordered: %w", err)
		case err != nil:
			return err
		}
	}
	return waits
}

// replaceKeys replaces the log's keys, and puts on record that it was ordered, once, with the
// key that wraps the others: of any number of replicas that have the order one does it. Who
// replaces one at the same time, without an order, only makes it newer.
func replaceKeys(ctx context.Context, db *store.DB, revision int64, ordered audit.Event) error {
	for {
		if done, err := recorded(ctx, db, actionKeys); err != nil || revision <= done {
			return err
		}
		if err := db.Understood(ctx); err != nil {
			return err
		}
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

// recorded returns the revision of the newest order on record, of those actions.
func recorded(ctx context.Context, db *store.DB, actions ...string) (newest int64, err error) {
	for _, action := range actions {
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
