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
	two.order("one.web.example").ok()
	limited(two.order("one.web.example"))
	w.Advance(time.Hour)
	two.order("one.web.example").ok()
	w.unbound()
}
