package survey_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A policy whose row somebody changed is found by the log, whatever digest was put
// beside it.
func TestPolicyChangedByHand(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := world{enrolltest.Open(t, dsn), t}
		f, _ := w.survey()
		require.True(t, f.Policy.Logged)
		require.True(t, f.Policy.Recorded)
		text := []byte("[role.device]\nserver_keys = true\n")
		require.NoError(t, w.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
			tx.SetPolicy(store.Policy{Version: f.Policy.Version + 1, Text: text, Digest: sha256.Sum256(text), Actor: "nobody"})
			return audit.Event{Action: "policy.change", Subject: fmt.Sprintf("policy/%d", f.Policy.Version+1), Detail: map[string]any{"sha256": f.Policy.Digest}}
		}))
		f, _ = w.survey()
		require.True(t, f.Policy.Logged)
		require.False(t, f.Policy.Recorded)
	})
}
