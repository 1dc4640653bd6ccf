package acme_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
