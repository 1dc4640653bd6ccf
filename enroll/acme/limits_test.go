package acme_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme"
)

// Too many of anything is rateLimited, with when to come again.
func TestLimits(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Settings.Limits = acme.Limits{AccountsPerSource: 3, OrdersPerAccount: 2, OrdersPerIdentity: 3}
	})
	limited := func(a answer) {
		t.Helper()
		a.refused(http.StatusTooManyRequests, "rateLimited")
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	one, two, bound := w.unbound(), w.unbound(), w.bound("device", "pump-1")
	limited(w.newUser().post("/acme/new-account", map[string]any{}))
	for range 2 {
		one.order("one.web.example").ok()
		bound.order("pump-1.devices.example").ok()
	}
	limited(one.order("two.web.example"))
	limited(bound.order("pump-1.devices.example"))
	two.order("one.web.example", "two.web.example").ok() // counts for both
	limited(two.order("one.web.example"))
	w.Advance(time.Hour)
	two.order("one.web.example").ok()
	w.unbound()
}

// An identity's limit holds for its own accounts. Strangers cannot use it up.
func TestLimitOfIdentity(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Settings.Limits = acme.Limits{OrdersPerIdentity: 1}
	})
	bound := w.bound("device", "pump-1")
	bound.order("pump-1.devices.example").ok()
	bound.order("pump-1.devices.example").refused(http.StatusTooManyRequests, "rateLimited")
	for range 2 {
		w.unbound().order("one.web.example").ok()
	}
}

// Bad bindings do not keep out who comes from the same address with a good one.
func TestBadBindingsDoNotCount(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) { c.Settings.Limits.AccountsPerSource = 1 })
	kid, _ := w.eab("device", "pump-1")
	for range 2 {
		u := w.newUser()
		u.post("/acme/new-account", map[string]any{"externalAccountBinding": u.eab(kid, []byte("x"))}).refused(http.StatusForbidden, "unauthorized")
	}
	w.bound("device", "pump-2")
	u := w.newUser()
	kid, key := w.eab("device", "pump-3")
	u.post("/acme/new-account", map[string]any{"externalAccountBinding": u.eab(kid, key)}).refused(http.StatusTooManyRequests, "rateLimited")
}
