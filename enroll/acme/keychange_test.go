package acme_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// An account's key changes only if both keys sign for it, for this account, to a
// key that nobody has (Section 7.3.5).
func TestKeyChange(t *testing.T) { eachWorld(t, open, testKeyChange) }

func testKeyChange(t *testing.T, w *world) {
	u, other := w.unbound(), w.unbound()
	bound := w.bound("device", "pump-1")
	certified := enrolltest.NewKey(t)
	bound.finalize(bound.order("pump-1.devices.example").ok(), csr(t, certified, "pump-1.devices.example")).ok()
	next := w.newUser()
	url := w.url("/acme/key-change")
	inner := func(by *user, change func(header, payload map[string]any)) []byte {
		header := map[string]any{"alg": "ES256", "jwk": jwk(&by.key.PublicKey), "url": url}
		payload := map[string]any{"account": u.kid, "oldKey": jwk(&u.key.PublicKey)}
		if change != nil {
			change(header, payload)
		}
		return flat(t, by.key, header, payload)
	}
	for name, body := range map[string][]byte{
		"nothing":         {},
		"not a JWS":       []byte(`{"account":"x"}`),
		"other url":       inner(next, func(h, _ map[string]any) { h["url"] = w.url("/acme/new-order") }),
		"no url":          inner(next, func(h, _ map[string]any) { delete(h, "url") }),
		"nonce":           inner(next, func(h, _ map[string]any) { h["nonce"] = w.nonce() }),
		"kid":             inner(next, func(h, _ map[string]any) { delete(h, "jwk"); h["kid"] = u.kid }),
		"signed by other": inner(other, func(h, _ map[string]any) { h["jwk"] = jwk(&next.key.PublicKey) }),
		"other account":   inner(next, func(_, p map[string]any) { p["account"] = other.kid }),
		"no account":      inner(next, func(_, p map[string]any) { delete(p, "account") }),
		"other old key":   inner(next, func(_, p map[string]any) { p["oldKey"] = jwk(&other.key.PublicKey) }),
		"no old key":      inner(next, func(_, p map[string]any) { delete(p, "oldKey") }),
	} {
		t.Run(name, func(t *testing.T) {
			u.post(url, body).refused(http.StatusBadRequest, "malformed")
		})
	}
	a := u.post(url, inner(other, nil))
	a.refused(http.StatusConflict, "malformed")
	require.Equal(t, other.kid, a.Header.Get("Location"), "whose key it is")
	u.post(url, inner(&user{w: w, key: certified}, nil)).refused(http.StatusBadRequest, "badPublicKey")

	old := *u
	require.Equal(t, "valid", u.post(url, inner(next, nil)).ok()["status"])
	old.post(u.kid, nil).refused(http.StatusBadRequest, "malformed")
	u.key = next.key
	u.post(u.kid, nil).ok()

	// A key that was an account's stays so: nobody takes it up.
	finder := user{w: w, key: old.key}
	finder.post("/acme/new-account", map[string]any{}).refused(http.StatusBadRequest, "badPublicKey")
}
