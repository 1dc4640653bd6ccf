package acme_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// Renewal information is for everyone, may be cached, and is from memory until the
// certificate is revoked.
func TestRenewalInfo(t *testing.T) { eachWorld(t, nil, testRenewalInfo) }

func testRenewalInfo(t *testing.T, w *world) {
	u := w.bound("device", "pump-1")
	done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	cert := leaf(t, u.post(done["certificate"].(string), nil).body)
	info := func() (start, end time.Time) {
		resp, body := w.get(http.MethodGet, "/acme/renewal-info/"+certID(cert))
		window := answer{resp, body, t}.ok()["suggestedWindow"].(map[string]any)
		require.Equal(t, "3612", resp.Header.Get("Retry-After"), "a 24th of 24 h 5 min")
		require.Equal(t, "public, max-age=300", resp.Header.Get("Cache-Control"))
		start, err := time.Parse(time.RFC3339, window["start"].(string))
		require.NoError(t, err)
		end, err = time.Parse(time.RFC3339, window["end"].(string))
		require.NoError(t, err)
		return start, end
	}
	start, end := info()
	life := cert.NotAfter.Sub(cert.NotBefore)
	require.True(t, start.After(cert.NotBefore.Add(life/2)) && start.Before(end) && end.Before(cert.NotBefore.Add(life*3/4)))
	again, _ := info()
	require.Equal(t, start, again)

	require.NoError(t, revoker{w.Store}.RevokeCertificate(t.Context(), acme.Requester{Name: "uid:0"}, store.SerialOf(cert), 1))
	_, end = info()
	require.True(t, end.Before(w.Now()))

	good := certID(cert)
	aki, number, _ := strings.Cut(good, ".")
	for _, id := range []string{"x", aki, aki + ".", "." + number, number + "." + aki, good + "=", good + ".x", aki + "." + "AAAAAAAAAAAAAAAAAAAAAA", aki + ".AQ", aki + ".gA", strings.Repeat("A", 500)} {
		resp, body := w.get(http.MethodGet, "/acme/renewal-info/"+id)
		answer{resp, body, t}.refused(http.StatusNotFound, "malformed")
	}
}

// While a fleet moves to another issuer, the window of a certificate of the earlier
// one is where the move wants it; it is back where it was when the move stops.
func TestRenewalInfoMoves(t *testing.T) { eachWorld(t, nil, testRenewalInfoMoves) }

func testRenewalInfoMoves(t *testing.T, w *world) {
	u := w.bound("device", "pump-1")
	done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	cert := leaf(t, u.post(done["certificate"].(string), nil).body)
	start := func() time.Time {
		resp, body := w.get(http.MethodGet, "/acme/renewal-info/"+certID(cert))
		at, err := time.Parse(time.RFC3339, answer{resp, body, t}.ok()["suggestedWindow"].(map[string]any)["start"].(string))
		require.NoError(t, err)
		return at
	}
	usual := start()
	next := w.NextAuthority()
	require.NoError(t, w.Issuers.Set(next, []*ca.Authority{w.Authority}, nil))
	require.Equal(t, usual, start())
	w.SetMove(&enroll.Move{To: next.IssuerID(), Since: w.Now(), Pace: time.Minute})
	require.WithinDuration(t, w.Now(), start(), 2*time.Minute)
	w.SetMove(nil)
	require.Equal(t, usual, start())

	renewed := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	got := leaf(t, u.post(renewed["certificate"].(string), nil).body)
	require.NoError(t, got.CheckSignatureFrom(next.Certificate()))
	resp, body := w.get(http.MethodGet, "/acme/renewal-info/"+certID(got))
	answer{resp, body, t}.ok()
}
