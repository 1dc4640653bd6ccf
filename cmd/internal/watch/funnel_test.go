package watch

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/storetest"
)

// What the funnel puts on record of a thief is what the rules read: a token that is used
// twice, a certificate that two machines renew, and one whose machine was suspended.
func TestFunnel(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	w.start()
	from := netip.MustParseAddr("192.0.2.7")
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-0"})
	_, err := w.Enroll(t.Context(), token, from, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	_, err = w.Enroll(t.Context(), token, from, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.Error(t, err)

	forked, err := w.Enroll(t.Context(), w.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"}), from, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	for _, there := range []netip.Addr{from, netip.MustParseAddr("198.51.100.4")} { // from one address it may be a reply that got lost
		h, err := w.Holder(t.Context(), forked, there)
		require.NoError(t, err)
		_, err = w.Renew(t.Context(), h, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.NoError(t, err)
	}

	asleep, err := w.Enroll(t.Context(), w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}), from, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	_, err = w.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	_, err = w.Holder(t.Context(), asleep, from)
	require.Error(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.NotEmpty(c, w.Audit("certificate.refuse")) }, time.Minute, 10*time.Millisecond)
	w.run()
	open := w.open()
	slices.Sort(open)
	require.Equal(t, []string{"A02 device/pump-2", "A04 device/pump-1", "A06 device/pump-0"}, open)
}
