package acme_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// An authorization that nothing has come of can be given up, and expires; an order
// falls with it. What a challenge fails with is told, and counts.
func TestAuthorization(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) { open(c); c.Settings.Limits.FailuresPerAccount = 1 })
	u := w.unbound()
	begin := func(name string) (order, authz string, object map[string]any) {
		a := u.order(name)
		authz = a.ok()["authorizations"].([]any)[0].(string)
		return a.Header.Get("Location"), authz, u.post(authz, nil).ok()
	}
	order, authz, object := begin("one.web.example")
	require.Equal(t, "pending", object["status"])
	var types []any
	for _, challenge := range object["challenges"].([]any) {
		require.Len(t, challenge.(map[string]any)["token"], 43, "256 bits")
		types = append(types, challenge.(map[string]any)["type"])
	}
	require.Equal(t, []any{"http-01", "dns-01", "tls-alpn-01"}, types)
	a := u.post(order, nil)
	require.Equal(t, "pending", a.ok()["status"])
	require.Equal(t, "1", a.Header.Get("Retry-After"), "seconds")
	u.post(order+"/finalize", map[string]any{"csr": base64.RawURLEncoding.EncodeToString(csr(t, enrolltest.NewKey(t), "one.web.example"))}).refused(http.StatusForbidden, "orderNotReady")

	require.Equal(t, "deactivated", u.post(authz, map[string]any{"status": "deactivated"}).ok()["status"])
	u.post(authz, map[string]any{"status": "deactivated"}).refused(http.StatusBadRequest, "malformed")
	u.post(authz, map[string]any{"status": "valid"}).refused(http.StatusBadRequest, "malformed")
	require.Equal(t, "invalid", u.post(order, nil).ok()["status"])

	_, _, object = begin("*.web.example")
	require.Equal(t, true, object["wildcard"])
	require.Len(t, object["challenges"], 1)
	require.Equal(t, "dns-01", object["challenges"].([]any)[0].(map[string]any)["type"])

	order, authz, object = begin("two.web.example")
	challenge := object["challenges"].([]any)[0].(map[string]any)["url"].(string)
	u.post(strings.Replace(challenge, "http-01", "device-attest-01", 1), map[string]any{}).refused(http.StatusNotFound, "malformed")
	u.post(challenge, []byte("null")).refused(http.StatusBadRequest, "malformed")
	a = u.post(challenge, map[string]any{}) // nothing is shown
	a.ok()
	require.Contains(t, a.Header.Values("Link"), "<"+authz+`>;rel="up"`)
	require.Eventually(t, func() bool { return u.post(authz, nil).ok()["status"] == "invalid" }, 10*time.Second, 10*time.Millisecond)
	failed := u.post(authz, nil).ok()["challenges"].([]any)
	require.Len(t, failed, 1)
	require.Equal(t, "urn:ietf:params:acme:error:incorrectResponse", failed[0].(map[string]any)["error"].(map[string]any)["type"])
	require.Equal(t, "invalid", u.post(order, nil).ok()["status"])
	require.Equal(t, failed[0].(map[string]any)["error"], u.post(order, nil).ok()["error"])
	require.Equal(t, failed[0], u.post(challenge, nil).ok())

	_, _, object = begin("three.web.example")
	limited := u.post(object["challenges"].([]any)[0].(map[string]any)["url"].(string), map[string]any{})
	limited.refused(http.StatusTooManyRequests, "rateLimited")
	require.Equal(t, "3600", limited.Header.Get("Retry-After"))

	order, authz, _ = begin("four.web.example")
	w.Advance(25 * time.Hour)
	require.Equal(t, "invalid", u.post(authz, nil).ok()["status"])
	require.Equal(t, "invalid", u.post(order, nil).ok()["status"])
}

// What was shown serves other orders for a day: an order that rests on it lasts no
// longer, and none begins with what is about to end.
func TestReuse(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) {
		open(c)
		c.Validator = validatorFunc(func(context.Context, validate.Challenge) error { return nil })
	})
	u := w.unbound()
	authz := u.order("one.web.example").ok()["authorizations"].([]any)[0].(string)
	u.post(strings.Replace(authz, "/authz/", "/challenge/", 1)+"/http-01", map[string]any{}).ok()
	require.Eventually(t, func() bool { return u.post(authz, nil).ok()["status"] == "valid" }, 10*time.Second, 10*time.Millisecond)
	w.Advance(10 * time.Hour)
	order := u.order("one.web.example").ok()
	require.Equal(t, "ready", order["status"])
	require.Equal(t, []any{authz}, order["authorizations"])
	require.Equal(t, u.post(authz, nil).ok()["expires"], order["expires"])
	w.Advance(13*time.Hour + 30*time.Minute)
	require.Equal(t, "pending", u.order("one.web.example").ok()["status"])
	w.Advance(time.Hour)
	require.Equal(t, "expired", u.post(authz, nil).ok()["status"])
}

// What can only be read takes no payload.
func TestReadOnly(t *testing.T) {
	w := newWorld(t, nil)
	u := w.bound("device", "pump-1")
	a := u.order("pump-1.devices.example")
	done := u.finalize(a.ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	for _, url := range []string{a.Header.Get("Location"), done["certificate"].(string), u.kid + "/orders", "/acme/directory", "/acme/new-nonce"} {
		u.post(url, map[string]any{}).refused(http.StatusBadRequest, "malformed")
	}
}
