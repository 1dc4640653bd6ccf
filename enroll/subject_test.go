package enroll_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// A bound account may order its identity's own name beside others, as certbot does
// when it renews what it read from a certificate: it is the common name again, and
// no DNS name. By itself, or for another's name, it is refused.
func TestOrderWithOwnName(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		a := bind(t, c, eab(c, "device", "pump-1"))
		own, name := dns("pump-1"), dns("pump-1.devices.example")
		first := a.issue(name)
		require.Equal(t, "pump-1", first.Subject.CommonName)
		renewed := a.issue(own, name)
		require.Equal(t, "pump-1", renewed.Subject.CommonName)
		require.Equal(t, []string{"pump-1.devices.example"}, renewed.DNSNames)

		for _, ids := range [][]store.OrderIdentifier{{own}, {own, own}, {dns("pump-2"), name}} {
			_, err := c.Binding(t.Context(), a.held(), "", "", ids, home)
			var refused *enroll.IdentifierError
			require.ErrorAs(t, err, &refused)
		}
	})
}
