package watch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A rule acts if policy says so and not else; what it did names the alert, and is not done
// again.
func TestActs(t *testing.T) {
	fork := map[string]any{"child": "019a00000000000000000000000000aa"}
	w := newWard(t, storetest.SQLite(t))
	identity := func(path, role, name string) {
		require.NoError(t, w.CA.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
			tx.CreateIdentity(store.Identity{Path: path, Role: role, Name: name, State: store.Active})
			return audit.Event{Action: "identity.create", Outcome: "ok"}
		}))
	}
	identity("device/a", "device", "a")
	identity("device/b", "device", "b")
	w.start()
	w.tell("certificate.fork", "device/a", fork)
	w.minute()
	require.Equal(t, []string{"A02 device/a"}, w.open())
	require.Equal(t, store.Active, w.Identity("device/a").State, "nobody said that it should act")

	_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(enrolltest.Policy+"\n[alerts]\nact = ['A02']\n"), enroll.AnyVersion)
	require.NoError(t, err)
	w.tell("certificate.fork", "device/b", fork)
	w.tell("certificate.fork", "device/gone", fork)
	w.run()
	w.start() // killed before it acted
	w.minute()
	require.Equal(t, store.Suspended, w.Identity("device/b").State)
	suspended := w.Audit("identity.suspend")
	require.Len(t, suspended, 1)
	require.Equal(t, []any{"self", "A02"}, []any{suspended[0].Actor, suspended[0].Detail["rule"]})
	_, err = w.Resume(t.Context(), enrolltest.Root, "device/b")
	require.NoError(t, err)
	w.minute()
	require.Equal(t, store.Active, w.Identity("device/b").State, "it is not done again")
}

// The policy knows the rules that can act.
func TestActing(t *testing.T) {
	for _, id := range ca.Acting() {
		_, known := alert.RuleOf(id)
		require.True(t, known, id)
	}
	for _, r := range alert.Rules() {
		if r.Propose == alert.Suspend || r.Propose == alert.Hold {
			require.Contains(t, ca.Acting(), r.ID)
		}
	}
}
