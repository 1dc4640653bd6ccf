package enroll_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A token that replaces, and that somebody was about to record when its identity was
// revoked, lifts nothing: nobody has agreed to that.
func TestTokenOfBefore(t *testing.T) {
	c := enrolltest.New(t)
	some, err := api.ParseToken(c.Token(enroll.TokenRequest{Role: "device", Name: "other"}))
	require.NoError(t, err)
	enrolled(t, c, "device", "pump")
	entomb(t, c, "device/pump")
	late := api.NewJoinToken(some.Root)
	require.NoError(t, c.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertToken(store.Token{
			ID: store.TokenID(late.ID()), Hash: late.Hash(), Role: "device", Name: "pump", Exact: true, Replace: true,
			MaxUses: 1, Expires: c.Now().Add(time.Hour), CreatedBy: "uid:0",
		})
		return audit.Event{Action: "token.create", Actor: "uid:0", Outcome: "ok"}
	}))
	_, err = c.Enroll(t.Context(), late.String(), home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.Error(t, err)
	require.Equal(t, store.Revoked, c.Identity("device/pump").State)
}
