package revoke_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// Whoever loses a certificate by revocation loses the powers that he has for a time, too:
// at once, and for good, in the log as any that are over. A dry run takes nothing.
func TestRevocationTakesPowers(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := newWorld(t, enrolltest.Open(t, dsn))
		cert, _ := w.Enrol("officer/bob")
		w.Enrol("officer/eve")
		lend := func(id store.PowerID, person string) {
			require.NoError(t, w.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
				tx.InsertPower(store.Power{ID: id, Person: person, Kind: store.PowerBreakGlass, Right: "emergency", Reason: "why", Ends: w.Now().Add(time.Hour)})
				return audit.Event{Action: "power.begin", Actor: person, Outcome: "ok"}
			}))
		}
		has := func(person string) int {
			all, err := w.PowersOf(t.Context(), person)
			require.NoError(t, err)
			return len(all)
		}
		use := func(id store.PowerID) error {
			return w.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
				tx.UsePower(id, "officer/bob")
				return audit.Event{Action: "admin.test", Actor: "officer/bob", Outcome: "ok"}
			})
		}
		lend(store.PowerID{9}, "officer/eve")
		for i, take := range []func(revoke.Order) error{
			func(o revoke.Order) error { _, err := w.Revoker.Serial(t.Context(), root, serial(cert), o); return err },
			func(o revoke.Order) error { _, err := w.Revoker.Cut(t.Context(), root, "officer/bob", o); return err },
			func(o revoke.Order) error {
				_, err := w.Revoker.Batch(t.Context(), root, []revoke.Item{{Identity: "officer/bob", Reason: o.Reason}}, o.DryRun)
				return err
			},
			func(o revoke.Order) error {
				_, err := w.Revoker.Identity(t.Context(), root, "officer/bob", o)
				return err
			},
		} {
			id := store.PowerID{byte(i)}
			lend(id, "officer/bob")
			would := orders
			would.DryRun = true
			require.NoError(t, take(would), i)
			require.NoError(t, use(id), i)
			require.Equal(t, 1, has("officer/bob"), i)
			require.NoError(t, take(orders), i)
			require.ErrorIs(t, use(id), store.ErrOver, i)
			require.Zero(t, has("officer/bob"), i)
			require.NoError(t, w.EndPowers(t.Context()))
			ends := w.Audit("power.end")
			require.Len(t, ends, i+1)
			require.Equal(t, "officer/bob", ends[i].Subject)
		}
		require.Equal(t, 1, has("officer/eve"), "hers are hers")
	})
}
