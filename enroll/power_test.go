package enroll_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

func why(by enroll.Actor, reason string) enroll.Actor {
	by.Reason = reason
	return by
}

// A right is lent for a time when somebody of another owner has agreed, from when it is
// asked for again; what is done by it is done while it lasts, or not at all.
func TestPower(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		w := newWorld(t, c)
		req := enroll.PowerRequest{Right: "policy", For: 2 * time.Hour}
		bob := why(w.bob, "ticket 4711")
		_, err := c.RequestPower(t.Context(), bob, req)
		p := pends(t, err)
		require.Equal(t, "ticket 4711", p.Reason)
		require.NoError(t, w.agree(w.ada, p))
		c.Advance(time.Hour)
		lent, err := c.RequestPower(t.Context(), why(w.bob, "some other words"), req)
		require.NoError(t, err)
		require.Equal(t, store.PowerID(p.ID), lent.ID)
		require.WithinDuration(t, c.Now().Add(2*time.Hour), lent.Ends, time.Minute)
		require.Equal(t, []string{"admin/ada", "ticket 4711"}, []string{lent.By, lent.Reason})
		has, err := c.PowersOf(t.Context(), "officer/bob")
		require.NoError(t, err)
		require.Len(t, has, 1)

		bob = w.bob
		bob.Powers = []store.PowerID{lent.ID}
		require.NoError(t, w.make(bob, enroll.TokenRequest{Role: "device", Name: "a"}))
		ada := w.ada
		ada.Powers = bob.Powers
		require.ErrorIs(t, w.make(ada, enroll.TokenRequest{Role: "device", Name: "b"}), store.ErrOver, "it is another's")
		c.Advance(2 * time.Hour)
		require.ErrorIs(t, w.make(bob, enroll.TokenRequest{Role: "device", Name: "c"}), store.ErrOver)
		_, err = c.Store.Identity(t.Context(), "device/c")
		require.ErrorIs(t, err, store.ErrNotFound)
		has, err = c.PowersOf(t.Context(), "officer/bob")
		require.NoError(t, err)
		require.Empty(t, has)

		require.NoError(t, c.EndPowers(t.Context()))
		require.NoError(t, c.EndPowers(t.Context()))
		ends := c.Audit("power.end")
		require.Len(t, ends, 1)
		require.Equal(t, []string{"self", "officer/bob", "1"}, []string{ends[0].Actor, ends[0].Subject, fmt.Sprint(ends[0].Detail["uses"])})
		c.Advance(-2 * time.Hour) // the clock is set back
		require.Error(t, w.make(bob, enroll.TokenRequest{Role: "device", Name: "d"}))
		has, err = c.PowersOf(t.Context(), "officer/bob")
		require.NoError(t, err)
		require.Empty(t, has, "it has ended, for good")
	})
}

// A power needs a reason, a time within bounds, and a person who is somebody.
func TestPowerRefuses(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	for _, tt := range []struct {
		by  enroll.Actor
		req enroll.PowerRequest
	}{
		{w.bob, enroll.PowerRequest{Right: "policy", For: time.Hour}},
		{why(w.bob, "x\x1b[2J"), enroll.PowerRequest{Right: "policy", For: time.Hour}},
		{why(w.bob, "x"), enroll.PowerRequest{Right: "policy", For: 9 * time.Hour}},
		{why(w.bob, "x"), enroll.PowerRequest{Right: "policy", For: time.Second}},
	} {
		_, err := c.RequestPower(t.Context(), tt.by, tt.req)
		require.Error(t, err)
		tt.req.Right = ""
		_, err = c.BreakGlass(t.Context(), tt.by, tt.req)
		require.Error(t, err)
	}
	var denied *ca.DeniedError
	_, err := c.BreakGlass(t.Context(), why(enrolltest.Root, "x"), enroll.PowerRequest{For: time.Hour})
	require.ErrorAs(t, err, &denied)
	w.revoke(*w.bob.Serial)
	_, err = c.BreakGlass(t.Context(), why(w.bob, "x"), enroll.PowerRequest{For: time.Hour})
	require.ErrorAs(t, err, &denied)
	require.Empty(t, c.Audit("power.begin"))
}

// The power of an emergency begins at once, on record as that; it ends, and somebody for
// whom another answers says what he has found, once.
func TestBreakGlass(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		more := enlist(t, c, [2]string{"auditor/kin", "ward  3"})
		w := newWorld(t, c)
		p, err := c.BreakGlass(t.Context(), why(w.bob, "ward 3 is dark"), enroll.PowerRequest{For: time.Hour})
		require.NoError(t, err)
		begun := c.Audit("power.begin")
		require.Len(t, begun, 1)
		require.Equal(t, "officer/bob", begun[0].Subject)
		require.Equal(t, []any{true, "ward 3 is dark", "break-glass"}, []any{begun[0].Detail["break_glass"], begun[0].Detail["reason"], begun[0].Detail["kind"]})
		var conflict *enroll.ConflictError
		_, err = c.BreakGlass(t.Context(), why(w.bob, "again"), enroll.PowerRequest{For: time.Hour})
		require.ErrorAs(t, err, &conflict)

		_, err = c.ReviewPower(t.Context(), w.cleo, p.ID, "fine")
		require.ErrorAs(t, err, &conflict, "it has not ended")
		var denied *ca.DeniedError
		_, err = c.EndPower(t.Context(), w.cleo, p.ID, false)
		require.ErrorAs(t, err, &denied, "it is another's")
		_, err = c.EndPower(t.Context(), w.bob, p.ID, false)
		require.NoError(t, err)
		require.Equal(t, true, c.Audit("power.end")[0].Detail["break_glass"])
		for _, by := range []enroll.Actor{w.bob, more["auditor/kin"], enrolltest.Root} {
			_, err = c.ReviewPower(t.Context(), by, p.ID, "fine")
			require.ErrorAs(t, err, &denied, by.Name)
		}
		left, err := c.Store.PowersUnreviewed(t.Context(), c.Now().Add(time.Second), 10)
		require.NoError(t, err)
		require.Len(t, left, 1)
		p, err = c.ReviewPower(t.Context(), w.cleo, p.ID, "two pumps revoked, as he says")
		require.NoError(t, err)
		require.Equal(t, []string{"auditor/cleo", "two pumps revoked, as he says"}, []string{p.ReviewedBy, p.Word})
		_, err = c.ReviewPower(t.Context(), w.cleo, p.ID, "fine")
		require.ErrorAs(t, err, &conflict)
		left, err = c.Store.PowersUnreviewed(t.Context(), c.Now().Add(time.Second), 10)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}
