package acme_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whoever cannot show a good binding gets no account, and is not told why.
func TestBadExternalAccount(t *testing.T) { eachWorld(t, nil, testBadExternalAccount) }

func testBadExternalAccount(t *testing.T, w *world) {
	w.newUser().post("/acme/new-account", map[string]any{}).refused(http.StatusForbidden, "externalAccountRequired")
	kid, key := w.eab("device", "pump-1")
	url := w.url("/acme/new-account")
	for _, tt := range []struct {
		name   string
		bind   func(u *user) any
		status int
		kind   string
	}{
		{"wrong key", func(u *user) any { return u.eab(kid, []byte("x")) }, 403, "unauthorized"},
		{"unknown kid", func(u *user) any { return u.eab(strings.Repeat("0", 32), key) }, 403, "unauthorized"},
		{"kid is no id", func(u *user) any { return u.eab("x", key) }, 403, "unauthorized"},
		{"another account's key", func(u *user) any { return w.newUser().eab(kid, key) }, 400, "malformed"},
		{"no key", func(u *user) any {
			return u.bind(key, map[string]any{"alg": "HS256", "kid": kid, "url": url}, []byte("{}"))
		}, 400, "malformed"},
		{"none", func(u *user) any { return u.bind(nil, map[string]any{"alg": "none", "kid": kid, "url": url}, nil) }, 400, "badSignatureAlgorithm"},
		{"ES256", func(u *user) any { return u.bind(u.key, map[string]any{"alg": "ES256", "kid": kid, "url": url}, nil) }, 400, "badSignatureAlgorithm"},
		{"other url", func(u *user) any {
			return u.bind(key, map[string]any{"alg": "HS256", "kid": kid, "url": url + "x"}, nil)
		}, 400, "malformed"},
		{"no kid", func(u *user) any { return u.bind(key, map[string]any{"alg": "HS256", "url": url}, nil) }, 400, "malformed"},
		{"nonce", func(u *user) any {
			return u.bind(key, map[string]any{"alg": "HS256", "kid": kid, "url": url, "nonce": w.nonce()}, nil)
		}, 400, "malformed"},
		{"not an object", func(u *user) any { return "x" }, 400, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := w.newUser()
			u.post("/acme/new-account", map[string]any{"externalAccountBinding": tt.bind(u)}).refused(tt.status, tt.kind)
		})
	}
	u := w.newUser()
	u.register(map[string]any{"externalAccountBinding": u.eab(kid, key)})
	thief := w.newUser()
	thief.post("/acme/new-account", map[string]any{"externalAccountBinding": thief.eab(kid, key)}).refused(http.StatusForbidden, "unauthorized")

	late := w.newUser()
	kid, key = w.eab("device", "pump-2")
	w.Advance(25 * time.Hour)
	late.post("/acme/new-account", map[string]any{"externalAccountBinding": late.eab(kid, key)}).refused(http.StatusForbidden, "unauthorized")
}

// bind signs an external account binding as a test likes; payload nil: the user's
// key.
func (u *user) bind(key any, header map[string]any, payload any) any {
	if payload == nil {
		payload = jwk(&u.key.PublicKey)
	}
	return rawJSON(flat(u.w.t, key, header, payload))
}
