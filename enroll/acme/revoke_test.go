package acme_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// Who may revoke: the account that got it, one of the same identity, the
// certificate's key; and nobody else (Section 7.6).
func TestRevoke(t *testing.T) { eachWorld(t, nil, testRevoke) }

func testRevoke(t *testing.T, w *world) {
	u, other := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	key := enrolltest.NewKey(t)
	issue := func() []byte {
		done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, key, "pump-1.devices.example")).ok()
		return leaf(t, u.post(done["certificate"].(string), nil).body).Raw
	}
	revoke := func(by *user, der []byte, reason any) answer {
		request := map[string]any{"certificate": base64.RawURLEncoding.EncodeToString(der)}
		if reason != nil {
			request["reason"] = reason
		}
		return by.post("/acme/revoke-cert", request)
	}
	der := issue()
	changed := append([]byte(nil), der...)
	changed[len(changed)-1] ^= 1
	revoke(other, der, nil).refused(http.StatusForbidden, "unauthorized")
	revoke(w.newUser(), der, nil).refused(http.StatusForbidden, "unauthorized")
	revoke(&user{w: w, key: u.key}, der, nil).refused(http.StatusForbidden, "unauthorized")
	revoke(u, changed, nil).refused(http.StatusNotFound, "malformed")
	revoke(u, w.Authority.Certificate().Raw, nil).refused(http.StatusNotFound, "malformed")
	revoke(u, []byte("x"), nil).refused(http.StatusBadRequest, "malformed")
	forger := w.newUser() // has the key of a certificate that only says it is ours
	victim, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: victim.SerialNumber}
	forged, err := x509.CreateCertificate(rand.Reader, template, template, forger.key.Public(), forger.key)
	require.NoError(t, err)
	revoke(forger, forged, nil).refused(http.StatusNotFound, "malformed")
	for _, reason := range []int{-1, 2, 6, 7, 8, 9, 10, 11} {
		revoke(u, der, reason).refused(http.StatusBadRequest, "badRevocationReason")
	}
	revoke(u, der, "x").refused(http.StatusBadRequest, "malformed")

	a := revoke(u, der, 1)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Empty(t, a.body)
	revoke(u, der, 1).refused(http.StatusBadRequest, "alreadyRevoked")

	key = enrolltest.NewKey(t)
	require.Equal(t, http.StatusOK, revoke(&user{w: w, key: key}, issue(), nil).StatusCode)

	// One that the identity got by itself: the account has to have all its names.
	current, err := x509.ParseCertificate(issue())
	require.NoError(t, err)
	holder, err := w.Holder(t.Context(), current, netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	renewed, err := w.Renew(t.Context(), holder, csr(t, enrolltest.NewKey(t), "pump-1.devices.example", "x.shared.example"))
	require.NoError(t, err)
	revoke(u, renewed.Raw, nil).refused(http.StatusForbidden, "unauthorized")
	other.order("x.shared.example").ok()
	revoke(other, renewed.Raw, nil).refused(http.StatusForbidden, "unauthorized")
	u.order("x.shared.example").ok()
	require.Equal(t, http.StatusOK, revoke(u, renewed.Raw, nil).StatusCode)
}
