package revoke

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// maxTogether is how many of a batch are revoked in one transaction: all other writes
// wait for it, some milliseconds.
const maxTogether = 50

// An Item is one of many to be revoked: an identity by its path, or a certificate.
type Item struct {
	Identity string
	Serial   store.Serial // if Identity is empty
	Reason   crl.Reason
}

// A Result is what became of an Item: what fell, or why not. Err is as of
// [Revoker.Identity] and [Revoker.Serial]. Already says that it was revoked before,
// and nothing had come since.
type Result struct {
	Fallen
	Err error
}

// Batch revokes many, some dozens in one transaction, of which each has an event of
// its own. Results come in the order of the items. What one item lacks does not keep
// the others from being revoked; no item is ever revoked in part. When Batch returns
// an error, which ends it, the results so far stand. Doing it again is no error.
func (r *Revoker) Batch(ctx context.Context, by By, items []Item, dryRun bool) ([]Result, error) {
	results := make([]Result, 0, len(items))
	for some := range slices.Chunk(items, maxTogether) {
		done, err := r.together(ctx, by, some, dryRun)
		if err != nil {
			if done, err = r.oneByOne(ctx, by, some, dryRun); err != nil {
				return append(results, done...), err
			}
		}
		results = append(results, done...)
	}
	return results, nil
}

// together revokes the items in one transaction, or none of them.
func (r *Revoker) together(ctx context.Context, by By, items []Item, dryRun bool) ([]Result, error) {
	first := make([]Result, len(items))
	state := make([]store.State, len(items))
	for i, item := range items {
		var err error
		if state[i], err = r.look(ctx, by, item, &first[i]); err != nil {
			return nil, err
		}
	}
	var results []Result
	err := r.Store.UpdateMany(ctx, func(ctx context.Context, tx *store.AloneTx) (events []audit.Event, err error) {
		results = slices.Clone(first) // it may run more than once
		var paths []string
		for _, i := range inOrder(items) {
			f := &results[i]
			if f.Err != nil {
				continue
			}
			if err := items[i].take(ctx, tx, state[i], &f.Fallen); err != nil {
				return nil, err
			}
			if !f.Already {
				events = append(events, by.event(items[i].action(), items[i].Reason, f.Fallen))
				paths = append(paths, f.Identity)
			}
		}
		if dryRun {
			return nil, errDryRun
		}
		if len(events) == 0 {
			return nil, nil
		}
		return events, by.acts(tx, paths...)
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	for i := range results {
		switch f := &results[i]; {
		case dryRun:
			f.Number = 0 // it was given back
		case f.Err == nil && !f.Already:
			r.Log.InfoContext(ctx, "revoked", "identity", f.Identity, "certificates", len(f.Serials), "number", f.Number,
				"reason", items[i].Reason.String(), "actor", by.Name, "request", by.RequestID)
		}
	}
	return results, nil
}

// look finds out before the transaction what keeps the item from being revoked: it is
// in its Result then. It returns the state of an identity.
func (r *Revoker) look(ctx context.Context, by By, item Item, into *Result) (store.State, error) {
	into.Identity = item.Identity
	var state store.State
	var err error
	if item.Identity != "" {
		var id store.Identity
		id, err = r.Store.Identity(ctx, item.Identity)
		state = id.State
	} else {
		var cert store.Certificate
		cert, err = r.Store.Certificate(ctx, item.Serial)
		into.Identity = cert.Identity
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		into.Err = err
	case err != nil:
		return "", err
	case !slices.Contains(reasons[:], item.Reason):
		into.Err = errReason(item.Reason)
	default:
		into.Err = by.mayNot(into.Identity)
	}
	return state, nil
}

// oneByOne revokes each item in a transaction of its own, where together they could
// not be.
func (r *Revoker) oneByOne(ctx context.Context, by By, items []Item, dryRun bool) ([]Result, error) {
	var results []Result
	for _, item := range items {
		one, err := r.together(ctx, by, []Item{item}, dryRun)
		switch {
		case ctx.Err() != nil, errors.Is(err, store.ErrClosed):
			return results, err
		case err != nil:
			one = []Result{{Fallen: Fallen{Identity: item.Identity}, Err: err}}
		}
		results = append(results, one...)
	}
	return results, nil
}

// inOrder returns the indexes of the items by what they name: who takes locks in one
// order does not wait for himself in another daemon.
func inOrder(items []Item) []int {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if c := strings.Compare(items[a].Identity, items[b].Identity); c != 0 {
			return c
		}
		return slices.Compare(items[a].Serial[:], items[b].Serial[:])
	})
	return order
}

func (i Item) action() string {
	if i.Identity != "" {
		return "identity.revoke"
	}
	return "certificate.revoke"
}

// take revokes the item, whose identity was in this state.
func (i Item) take(ctx context.Context, tx *store.AloneTx, state store.State, f *Fallen) error {
	if i.Identity == "" {
		revocation, fresh, err := tx.RevokeCertificate(ctx, i.Serial, int(i.Reason))
		*f = serialFallen(revocation, fresh)
		return errors.Join(err, tx.Err())
	}
	fall, err := tx.RevokeIdentity(ctx, i.Identity, int(i.Reason))
	*f = fallen(i.Identity, fall)
	f.Already = state == store.Revoked && fall.Empty()
	return errors.Join(err, tx.Err())
}
