package store

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is written of an order is what is read, with its authorizations in their
// order, old and new.
func TestOrder(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		a := account(t, d, "device/a")
		_, old := order(t, d, a, AuthorizationValid)
		o, fresh := newOrder(a, AuthorizationPending)
		o.Created, old.Created, fresh.Created = now, now, now
		o.Identifiers = append(o.Identifiers, OrderIdentifier{Identifier{"dns", "example.test"}, true}, OrderIdentifier{Identifier{"ip", "10.0.0.1"}, false})
		o.Profile, o.Replaces = "device", &Serial{7}
		fresh.Identifier, fresh.Wildcard = o.Identifiers[1].Identifier, true
		o.Authorizations = []AuthorizationID{fresh.ID, old.ID}
		require.NoError(t, insert(d, o, fresh))

		got, err := d.Order(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, o, got)
		got, authorizations, err := d.OrderWithAuthorizations(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, o, got)
		require.Equal(t, []Authorization{fresh, old}, authorizations)

		require.ErrorIs(t, insert(d, o), ErrExists)
		relax(t, d, func(tx *RelaxedTx) { tx.InvalidateOrder(o.ID, []byte("{}")) })
		got, err = d.Order(t.Context(), o.ID)
		require.NoError(t, err)
		require.Equal(t, OrderInvalid, got.Status)
		require.Equal(t, []byte("{}"), got.Error)
		require.ErrorIs(t, d.Relaxed(t.Context(), func(tx *RelaxedTx) { tx.InvalidateOrder(o.ID, nil) }), ErrStale)

		_, err = d.Order(t.Context(), NewOrderID())
		require.ErrorIs(t, err, ErrNotFound)
		_, _, err = d.OrderWithAuthorizations(t.Context(), NewOrderID())
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// An order is completed only while it and each of its authorizations are valid and
// in time, and never if it rests on none.
func TestCompleteOrderInTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		a := account(t, d, "device/a")
		start := time.Now()
		for name, tt := range map[string]struct {
			change func(o *Order, first, second *Authorization)
			want   error
		}{
			"two authorizations":      {func(*Order, *Authorization, *Authorization) {}, nil},
			"order expired":           {func(o *Order, _, _ *Authorization) { o.Expires = start }, ErrSpent},
			"authorization expired":   {func(_ *Order, _, second *Authorization) { second.Expires = start }, ErrSpent},
			"authorization pending":   {func(_ *Order, first, _ *Authorization) { first.Status = AuthorizationPending }, ErrSpent},
			"authorization is gone":   {func(o *Order, _, _ *Authorization) { o.Authorizations[0] = NewAuthorizationID() }, ErrSpent},
			"no authorization":        {func(o *Order, _, _ *Authorization) { o.Authorizations = nil }, ErrSpent},
			"account that is unknown": {func(o *Order, _, _ *Authorization) { o.Account = NewAccountID() }, ErrSpent},
		} {
			t.Run(name, func(t *testing.T) {
				o, first := newOrder(a, AuthorizationValid)
				_, second := newOrder(a, AuthorizationValid)
				o.Authorizations = append(o.Authorizations, second.ID)
				tt.change(&o, &first, &second)
				require.NoError(t, insert(d, o, first, second))
				require.ErrorIs(t, complete(d, o.ID), tt.want)
			})
		}
		require.ErrorIs(t, complete(d, NewOrderID()), ErrSpent)
	})
}

// A certificate is replaced by one order at a time (RFC 9773, Section 5): by another
// once the first is invalid or has expired, and by none once it was completed.
func TestOrderReplaces(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		a := account(t, d, "device/a")
		now := time.Now()
		d.cfg.Now = func() time.Time { return now }
		replacing := func(serial Serial) (Order, error) {
			o, z := newOrder(a, AuthorizationValid)
			o.Replaces = &serial
			return o, insert(d, o, z)
		}
		first, err := replacing(Serial{1})
		require.NoError(t, err)
		_, err = replacing(Serial{1})
		require.ErrorIs(t, err, ErrExists)
		_, err = replacing(Serial{2})
		require.NoError(t, err)

		relax(t, d, func(tx *RelaxedTx) { tx.InvalidateOrder(first.ID, nil) })
		_, err = replacing(Serial{1})
		require.NoError(t, err)
		_, err = replacing(Serial{1})
		require.ErrorIs(t, err, ErrExists)

		now = now.Add(59 * time.Minute)
		_, err = replacing(Serial{1})
		require.ErrorIs(t, err, ErrExists)
		now = now.Add(2 * time.Minute)
		last, err := replacing(Serial{1}) // the second has expired
		require.NoError(t, err)

		now = now.Add(-30 * time.Minute)
		require.NoError(t, complete(d, last.ID))
		now = now.Add(10 * time.Hour)
		_, err = replacing(Serial{1})
		require.ErrorIs(t, err, ErrExists)
	})
}

// Of replicas that order the replacement of one certificate at once, one does.
func TestReplicasOrderReplaces(t *testing.T) {
	dbs := replicas(t, 2)
	a := account(t, dbs[0], "device/a")
	for i := range 30 {
		won := 0
		for _, err := range parallel(6, func(n int) error {
			o, z := newOrder(a, AuthorizationValid)
			o.Replaces = &Serial{byte(i + 1)}
			return insert(dbs[n%2], o, z)
		}) {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, ErrExists)
		}
		require.Equal(t, 1, won)
	}
}

// The list of an account's orders has those that are valid, or open and in time,
// the newest first, page by page, and nobody else's.
func TestOrders(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		a, other := account(t, d, "device/a"), account(t, d, "device/a")
		var want []OrderID
		for i := range 25 {
			o, z := newOrder(a, AuthorizationValid)
			if i%5 == 1 {
				o.Expires = time.Now()
			}
			require.NoError(t, insert(d, o, z))
			switch i % 5 {
			case 1:
				continue
			case 2:
				relax(t, d, func(tx *RelaxedTx) { tx.InvalidateOrder(o.ID, nil) })
				continue
			case 3:
				require.NoError(t, complete(d, o.ID))
			}
			want = append(want, o.ID)
			order(t, d, other, AuthorizationValid)
		}
		slices.SortFunc(want, func(a, b OrderID) int { return slices.Compare(b[:], a[:]) }) // those of one millisecond have any order
		var got []OrderID
		pages := 0
		for after := ""; ; pages++ {
			ids, next, err := d.Orders(t.Context(), a.ID, Page{After: after, Limit: 4})
			require.NoError(t, err)
			got = append(got, ids...)
			if after = next; next == "" {
				break
			}
		}
		require.Equal(t, want, got)
		require.Equal(t, 3, pages)
		_, _, err := d.Orders(t.Context(), a.ID, Page{After: "AAAA"})
		require.ErrorIs(t, err, ErrBadCursor)
	})
}
