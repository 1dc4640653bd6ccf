package store

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// A hearer is a store, and what it has heard of revocations.
type hearer struct {
	*DB
	mu    sync.Mutex
	heard []Revocation
	top   atomic.Int64 // greatest number heard
	here  atomic.Int64 // deliveries that were said to be its own
}

func hear(t testing.TB, d *DB) *hearer {
	h := &hearer{DB: d}
	t.Cleanup(d.OnRevoked(func(all []Revocation, here bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.heard = append(h.heard, all...)
		h.top.Store(all[len(all)-1].Number)
		if here {
			h.here.Add(1)
		}
	}))
	return h
}

func hearers(t testing.TB, dbs ...*DB) []*hearer {
	var all []*hearer
	for _, d := range dbs {
		all = append(all, hear(t, d))
	}
	return all
}

func (h *hearer) numbers() []int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []int64
	for _, r := range h.heard {
		all = append(all, r.Number)
	}
	return all
}

// knows says whether the hearer keeps the promise of the feed for a revocation whose
// call has returned: it has heard of it, or says that it may not have.
func (h *hearer) knows(number int64) bool { return h.Lapsed() || h.top.Load() >= number }

var victims atomic.Int64

// revoke makes a certificate of an identity of its own, revokes it, and returns the
// CRL number once the call has returned.
func (h *hearer) revoke() (int64, error) {
	path := fmt.Sprintf("device/victim-%d", victims.Add(1))
	if err := update(h.DB, func(tx *Tx) {
		tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: Active})
	}); err != nil {
		return 0, err
	}
	if err := update(h.DB, func(tx *Tx) { tx.InsertCertificate(certificate(path)) }); err != nil {
		return 0, err
	}
	var number int64
	err := h.UpdateAlone(context.Background(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
		fall, err := tx.RevokeIdentity(ctx, path, 1)
		number = fall.Number
		return event(), err
	})
	return number, err
}

// heardAll waits until each has heard of all that is on record, and demands that
// they heard it in ascending order.
func heardAll(t testing.TB, all []*hearer) {
	t.Helper()
	recorded, err := all[0].RevokedSince(t.Context(), issuer, 0)
	require.NoError(t, err)
	want := serialsOf(recorded)
	for _, h := range all {
		heard := func() []Revocation {
			h.mu.Lock()
			defer h.mu.Unlock()
			return slices.Clone(h.heard)
		}
		require.Eventually(t, func() bool { return len(heard()) >= len(want) }, 30*time.Second, 10*time.Millisecond)
		require.Equal(t, want, serialsOf(heard()))
		require.True(t, slices.IsSorted(h.numbers()))
	}
}

// believing waits until what each knows of the others can be believed: from then on
// a revocation need not wait for leases to end.
func believing(t testing.TB, all []*hearer) {
	t.Helper()
	for _, h := range all {
		require.Eventually(t, func() bool {
			h.feed.peers.mu.Lock()
			defer h.feed.peers.mu.Unlock()
			live := 0
			for _, p := range h.feed.peers.all {
				if !p.lapsed {
					live++
				}
			}
			return h.feed.peers.asOf > 0 && live == len(all)-1
		}, 30*time.Second, 5*time.Millisecond)
	}
}

// caughtUp waits until none has lapsed.
func caughtUp(t testing.TB, all []*hearer) {
	t.Helper()
	for _, h := range all {
		require.Eventually(t, func() bool { return !h.Lapsed() }, 60*time.Second, 5*time.Millisecond)
	}
}
