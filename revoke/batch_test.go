package revoke_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// Of many items those fall that can, whatever the others lack: each wholly, with its
// own reason and an event that is found by its name. Doing it again takes nothing.
func TestBatch(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		w := newWorld(t, c)
		var items []revoke.Item
		const many = 120 // three transactions
		for i := range many {
			path := fmt.Sprintf("device/pump-%d", i)
			cert, _ := w.Enrol(path)
			item := revoke.Item{Identity: path, Reason: crl.KeyCompromise}
			if i%10 == 3 {
				item = revoke.Item{Serial: serial(cert), Reason: crl.Superseded}
			}
			items = append(items, item)
		}
		items[7] = revoke.Item{Identity: "device/nobody", Reason: crl.KeyCompromise}
		items[60] = revoke.Item{Serial: store.Serial{1}}
		items[61].Reason = crl.CertificateHold

		would, err := w.Revoker.Batch(t.Context(), root, items, true)
		require.NoError(t, err)
		require.Len(t, would, many)
		require.Len(t, would[0].Serials, 1)
		require.Zero(t, would[0].Number)
		none, err := c.Store.RevokedSince(t.Context(), c.Authority.IssuerID(), 0)
		require.NoError(t, err)
		require.Empty(t, none)

		for round, already := range []bool{false, true} {
			results, err := w.Revoker.Batch(t.Context(), root, items, false)
			require.NoError(t, err)
			require.Len(t, results, many)
			for i, r := range results {
				switch i {
				case 7, 60:
					require.ErrorIs(t, r.Err, store.ErrNotFound, "%d", i)
				case 61:
					require.ErrorContains(t, r.Err, "certificateHold")
				default:
					require.NoError(t, r.Err)
					require.Equal(t, already, r.Already, "round %d, %d", round, i)
					require.Equal(t, already, len(r.Serials) == 0)
					require.Equal(t, already, r.Number == 0)
				}
			}
		}
		revoked, err := c.Store.RevokedSince(t.Context(), c.Authority.IssuerID(), 0)
		require.NoError(t, err)
		require.Len(t, revoked, many-3)
		require.Equal(t, many-12-3, len(c.Audit("identity.revoke")))
		require.Equal(t, 12, len(c.Audit("certificate.revoke")))
		entries, _, err := c.Store.AuditEntries(t.Context(), store.AuditFilter{Subject: "device/pump-0", Action: "identity.revoke"}, store.Page{})
		require.NoError(t, err)
		require.Len(t, entries, 1)
		left, err := c.Store.Identity(t.Context(), "device/pump-3")
		require.NoError(t, err)
		require.Equal(t, store.Active, left.State, "a certificate fell, and its identity lives on")
		eventually(t, func() bool { return w.open(w.Publisher.Full()).Entries().Len() == many-3 }, "a full list")
	})
}

// Nobody but root ends the CA's own, in a batch neither.
func TestBatchDenied(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	self, err := c.Self(t.Context(), "betonicad", []string{"localhost"}, nil)
	require.NoError(t, err)
	w.Enrol("device/pump-1")
	items := []revoke.Item{{Identity: "ca/betonicad"}, {Serial: serial(self.Leaf)}, {Identity: "device/pump-1"}}
	results, err := w.Revoker.Batch(t.Context(), revoke.By{Name: "officer/mary"}, items, false)
	require.NoError(t, err)
	for _, r := range results[:2] {
		var denied *ca.DeniedError
		require.ErrorAs(t, r.Err, &denied)
	}
	require.NoError(t, results[2].Err)
	results, err = w.Revoker.Batch(t.Context(), root, items[:1], false)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
}

// Batches that name the same identities in other orders, and machines that renew
// meanwhile, get through, and nothing is left half revoked.
func TestBatchConcurrently(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		w := newWorld(t, c)
		var forth, back []revoke.Item
		for i := range 100 {
			path := fmt.Sprintf("device/pump-%d", i)
			w.Enrol(path)
			forth = append(forth, revoke.Item{Identity: path})
			back = append([]revoke.Item{{Identity: path}}, back...)
		}
		var group sync.WaitGroup
		for _, items := range [][]revoke.Item{forth, back, forth} {
			group.Go(func() {
				results, err := w.Revoker.Batch(t.Context(), root, items, false)
				if err != nil {
					t.Error(err)
				}
				for _, r := range results {
					if r.Err != nil {
						t.Error(r.Identity, r.Err)
					}
				}
			})
		}
		group.Wait()
		live, _, err := c.Store.Certificates(t.Context(), store.CertificateFilter{Live: true}, store.Page{Limit: 1000})
		require.NoError(t, err)
		require.Empty(t, live)
		require.Len(t, mustRevoked(t, c), 100)
	})
}

func mustRevoked(t *testing.T, c *enrolltest.CA) []store.Revocation {
	all, err := c.Store.RevokedSince(t.Context(), c.Authority.IssuerID(), 0)
	require.NoError(t, err)
	return all
}
