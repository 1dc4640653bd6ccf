package main

import (
	"context"
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
		if err := db.Update(ctx, func(*store.Tx) audit.Event { return event }); err != nil {
			return err
		}
	}
	return nil
}

// recorded returns the revision of the newest order on record.
func recorded(ctx context.Context, db *store.DB) (newest int64, err error) {
	for _, action := range []string{actionRotate, actionStop, actionBack, actionResume, actionRevoke} {
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
