package acme_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// The directory says where everything is; nonces come for the asking, and with
// every answer to a POST; what a page does not answer is 405 with what it does.
func TestPages(t *testing.T) {
	w := newWorld(t, open)
	resp, body := w.get(http.MethodGet, "/acme/directory")
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	directory := answer{resp, body, t}.ok()
	for _, name := range []string{"newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"} {
		require.Contains(t, directory[name], w.server.URL+"/acme/")
	}
	meta := directory["meta"].(map[string]any)
	require.Equal(t, false, meta["externalAccountRequired"])
	require.Equal(t, map[string]any{
		"device": "client and server certificates for 24h", "web": "server certificates for 30d",
	}, meta["profiles"])

	u := w.unbound()
	require.Equal(t, directory, u.post("/acme/directory", nil).ok(), "POST-as-GET, too")
	nonces := map[string]bool{}
	for method, status := range map[string]int{http.MethodHead: 200, http.MethodGet: 204} {
		resp, body := w.get(method, "/acme/new-nonce")
		require.Equal(t, status, resp.StatusCode)
		require.Empty(t, body)
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		require.Equal(t, "<"+w.url("/acme/directory")+`>;rel="index"`, resp.Header.Get("Link"))
		nonces[resp.Header.Get("Replay-Nonce")] = true
	}
	require.Len(t, nonces, 2)

	for path, allow := range map[string]string{
		"/acme/new-account": "POST", "/acme/order/x": "POST", "/acme/certificate/x": "POST",
		"/acme/renewal-info/x": "GET, HEAD", "/acme/new-nonce": "GET, HEAD, POST",
	} {
		resp, body := w.get(http.MethodPut, path)
		answer{resp, body, t}.refused(http.StatusMethodNotAllowed, "malformed")
		require.Equal(t, allow, resp.Header.Get("Allow"))
	}
	resp, body = w.get(http.MethodGet, "/acme/nothing")
	answer{resp, body, t}.refused(http.StatusNotFound, "malformed")

	// The nonce of an answer that failed is good for the next request.
	failed := u.post("/acme/new-order", map[string]any{})
	failed.refused(http.StatusBadRequest, "malformed")
	u.send(w.url("/acme/new-order"), u.sign("/acme/new-order", map[string]any{"identifiers": dns("a.web.example")}, func(h map[string]any) {
		h["nonce"] = failed.Header.Get("Replay-Nonce")
	})).ok()
}
