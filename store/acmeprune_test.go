package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Pruning takes what expired more than a day ago, completed orders after 30 days
// and after their certificates, and nothing that can still be of use, however much there is of it.
func TestPruneACME(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		a := account(t, d, "device/a")
		now := time.Now()
		const day = 24 * time.Hour
		record := func(status OrderStatus, expired time.Duration) (Order, Authorization) {
			o, z := newOrder(a, AuthorizationValid)
			require.NoError(t, insert(d, o, z))
			switch status {
			case OrderValid:
				require.NoError(t, complete(d, o.ID))
			case OrderInvalid:
				relax(t, d, func(tx *RelaxedTx) { tx.InvalidateOrder(o.ID, nil) })
			}
			relax(t, d, func(tx *RelaxedTx) {
				earlier := o.Expires.Sub(now.Add(-expired)).Milliseconds()
				tx.demand(1, nil, `UPDATE acme_orders SET expires_at = expires_at - $1, remove_at = remove_at - $1 WHERE id = $2`, earlier, o.ID[:])
				tx.demand(1, nil, `UPDATE acme_authorizations SET expires_at = expires_at - $1, remove_at = remove_at - $1 WHERE id = $2`, earlier, z.ID[:])
			})
			return o, z
		}
		type remains struct {
			Order
			Authorization
			order, authorization bool // are kept
		}
		var all []remains
		orders, authorizations := 0, 0
		for _, tt := range []struct {
			status               OrderStatus
			expired              time.Duration
			order, authorization bool
		}{
			{OrderOpen, -time.Minute, true, true},
			{OrderOpen, day - time.Minute, true, true},
			{OrderOpen, day + time.Minute, false, false},
			{OrderInvalid, day - time.Minute, true, true},
			{OrderInvalid, day + time.Minute, false, false},
			{OrderValid, -time.Minute, true, true},
			{OrderValid, day + time.Minute, true, false},
			{OrderValid, 30*day - time.Minute, true, false},
			{OrderValid, 30*day + time.Minute, true, false}, // its certificate has not ended
		} {
			o, z := record(tt.status, tt.expired)
			all = append(all, remains{o, z, tt.order, tt.authorization})
			if tt.order {
				orders++
			}
			if tt.authorization {
				authorizations++
			}
		}
		relax(t, d, func(tx *RelaxedTx) { // more than a batch, with two ends
			for i := range 2*pruneBatch + 7 {
				o, z := newOrder(a, AuthorizationPending)
				o.Expires = now.Add(-2*day - time.Duration(i%2)*time.Hour)
				z.Expires = o.Expires
				tx.InsertOrder(o, []Authorization{z})
			}
		})
		require.NoError(t, d.PruneACME(t.Context(), now))
		for i, r := range all {
			o, found, err := d.OrderWithAuthorizations(t.Context(), r.Order.ID)
			if r.order {
				require.NoError(t, err, i)
				require.Equal(t, r.Order.Authorizations, o.Authorizations, i)
				require.Equal(t, r.authorization, len(found) == 1, i)
			} else {
				require.ErrorIs(t, err, ErrNotFound, i)
			}
			_, err = d.Authorization(t.Context(), r.Authorization.ID)
			require.Equal(t, r.authorization, err == nil, i)
		}
		for table, want := range map[string]int{
			"acme_accounts": 1, "acme_orders": orders, "acme_order_authorizations": orders, "acme_authorizations": authorizations,
		} {
			var n int
			require.NoError(t, d.reads.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n))
			require.Equal(t, want, n, table)
		}
		require.NoError(t, d.PruneACME(t.Context(), now.Add(day+time.Hour)))
		for i, want := range map[int]error{6: nil, 7: ErrNotFound, 8: ErrNotFound} {
			_, err := d.Order(t.Context(), all[i].Order.ID)
			require.ErrorIs(t, err, want, i)
		}
	})
}
