package acme_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// What is another account's is as if it did not exist, to the last URL; its
// account is refused.
func TestAnotherAccount(t *testing.T) { eachWorld(t, open, testAnotherAccount) }

func testAnotherAccount(t *testing.T, w *world) {
	u, thief := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	order := u.order("pump-1.devices.example").ok()
	pending := w.unbound()
	challenged := pending.order("one.web.example").ok()
	authz := pending.post(challenged["authorizations"].([]any)[0].(string), nil).ok()
	challenge := authz["challenges"].([]any)[0].(map[string]any)["url"].(string)
	request := csr(t, enrolltest.NewKey(t), "pump-1.devices.example")

	self := strings.TrimSuffix(order["finalize"].(string), "/finalize")
	thief.post(self, nil).refused(http.StatusNotFound, "malformed")
	thief.finalize(order, request).refused(http.StatusNotFound, "malformed")
	thief.post(order["authorizations"].([]any)[0].(string), nil).refused(http.StatusNotFound, "malformed")
	thief.post(order["authorizations"].([]any)[0].(string), map[string]any{"status": "deactivated"}).refused(http.StatusNotFound, "malformed")
	thief.post(challenge, nil).refused(http.StatusNotFound, "malformed")
	thief.post(challenge, map[string]any{}).refused(http.StatusNotFound, "malformed")
	thief.post(u.kid, nil).refused(http.StatusForbidden, "unauthorized")
	thief.post(u.kid, map[string]any{"status": "deactivated"}).refused(http.StatusForbidden, "unauthorized")
	thief.post(u.kid+"/orders", nil).refused(http.StatusForbidden, "unauthorized")

	done := u.finalize(order, request).ok()
	thief.post(done["certificate"].(string), nil).refused(http.StatusNotFound, "malformed")
	require.Equal(t, "valid", u.post(self, nil).ok()["status"])

	for _, path := range []string{"/acme/order/", "/acme/authz/", "/acme/certificate/"} {
		for _, id := range []string{strings.Repeat("0", 32), "x", strings.Repeat("f", 64)} {
			u.post(path+id, nil).refused(http.StatusNotFound, "malformed")
		}
	}
}
