package watch

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
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

// So is the rest that the funnel knows of: a key that is another's, a token from elsewhere, a
// certificate by the CA's key that it never issued, a clock that is wrong, powers of an
// emergency, many that enrol at once, and many that cannot renew.
func TestFunnelMore(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	w.start()
	from := netip.MustParseAddr("192.0.2.7")
	csr := func() []byte { return enrolltest.CSR(t, enrolltest.NewKey(t)) }
	enrol := func(path string, req enroll.TokenRequest, csr []byte) (*x509.Certificate, error) {
		req.Role, req.Name, _ = strings.Cut(path, "/")
		return w.Enroll(t.Context(), w.Token(req), from, csr)
	}
	renewing := func(cert *x509.Certificate) enroll.Holder {
		h, err := w.Holder(t.Context(), cert, from)
		require.NoError(t, err)
		return h
	}
	shared := csr()
	first, err := enrol("device/pump-0", enroll.TokenRequest{}, shared)
	require.NoError(t, err)
	_, err = enrol("device/pump-1", enroll.TokenRequest{}, shared)
	require.Error(t, err)

	_, err = enrol("device/pump-2", enroll.TokenRequest{Network: netip.MustParsePrefix("10.0.0.0/8")}, csr())
	require.Error(t, err)

	template := &x509.Certificate{SerialNumber: big.NewInt(0xabc), NotBefore: w.Now().Add(-time.Hour), NotAfter: w.Now().Add(time.Hour), URIs: first.URIs}
	der, err := x509.CreateCertificate(rand.Reader, template, w.Authority.Certificate(), first.PublicKey, w.IssuingKey)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	_, err = w.Holder(t.Context(), parsed, from)
	require.ErrorIs(t, err, enroll.ErrUnauthenticated)

	h := renewing(first)
	h.Sent = w.Now().Add(-time.Hour)
	_, err = w.Renew(t.Context(), h, csr())
	require.NoError(t, err)

	ben, err := enrol("officer/ben", enroll.TokenRequest{Owner: "ward 3"}, csr())
	require.NoError(t, err)
	serial := store.SerialOf(ben)
	_, err = w.BreakGlass(t.Context(), enroll.Actor{Name: "officer/ben", Serial: &serial, Reason: "ward 3 is dark"}, enroll.PowerRequest{For: time.Hour})
	require.NoError(t, err)

	gateways := make([]*x509.Certificate, 5)
	for i := range gateways {
		gateways[i], err = enrol(fmt.Sprintf("gateway/%d", i), enroll.TokenRequest{}, csr())
		require.NoError(t, err)
	}
	for i := range 20 {
		_, err = enrol(fmt.Sprintf("device/new-%d", i), enroll.TokenRequest{}, csr())
		require.NoError(t, err)
	}
	for _, cert := range gateways {
		_, err = w.Renew(t.Context(), renewing(cert), []byte("no request"))
		require.Error(t, err)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Len(c, w.Audit("token.refuse"), 1)
		require.Len(c, w.Audit("certificate.refuse"), 7)
	}, time.Minute, 10*time.Millisecond)
	w.run()
	w.Advance(16 * time.Minute)
	w.minute()
	open := w.open()
	slices.Sort(open)
	require.Equal(t, []string{"A01 device/pump-1", "A06 ", "A07 device/pump-0", "A09 officer/ben", "F01 role device", "F03 device/pump-0", "F04 role gateway"}, open)
}
