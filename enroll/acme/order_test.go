package acme_test

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
)

// Orders are listed in pages that lead to each other (Section 7.1.2.1).
func TestOrders(t *testing.T) { eachWorld(t, nil, testOrders) }

func testOrders(t *testing.T, w *world) {
	u := w.bound("device", "pump-1")
	require.Equal(t, map[string]any{"orders": []any{}}, u.post(u.kid+"/orders", nil).ok())
	all := map[string]bool{}
	for range 101 {
		all[u.order("pump-1.devices.example").Header.Get("Location")] = true
	}
	next := u.kid + "/orders"
	for range 2 {
		a := u.post(next, nil)
		for _, url := range a.ok()["orders"].([]any) {
			require.True(t, all[url.(string)])
			delete(all, url.(string))
		}
		next = ""
		for _, link := range a.Header.Values("Link") {
			if url, ok := strings.CutSuffix(link, `>;rel="next"`); ok {
				next = url[1:]
			}
		}
	}
	require.Empty(t, all)
	require.Empty(t, next)
	u.post(u.kid+"/orders?cursor=x", nil).refused(http.StatusBadRequest, "malformed")
}

// A certificate is replaced once (RFC 9773, Section 5), by its own identity.
func TestReplaces(t *testing.T) { eachWorld(t, nil, testReplaces) }

func testReplaces(t *testing.T, w *world) {
	u, other := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	done := u.finalize(u.order("pump-1.devices.example").ok(), csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).ok()
	id := certID(leaf(t, u.post(done["certificate"].(string), nil).body))
	order := map[string]any{"identifiers": dns("pump-1.devices.example"), "replaces": id}
	other.post("/acme/new-order", map[string]any{"identifiers": dns("pump-2.devices.example"), "replaces": id}).refused(http.StatusBadRequest, "malformed")
	require.Equal(t, id, u.post("/acme/new-order", order).ok()["replaces"])
	u.post("/acme/new-order", order).refused(http.StatusConflict, "alreadyReplaced")
	w.Advance(25 * time.Hour)
	failed := u.post("/acme/new-order", order).ok()

	// An order that can come to nothing any more does not stand in the way.
	u.post(failed["authorizations"].([]any)[0].(string), map[string]any{"status": "deactivated"}).ok()
	u.post("/acme/new-order", order).ok()
}

func certID(cert *x509.Certificate) string {
	number := cert.SerialNumber.Bytes()
	if number[0] > 0x7f {
		number = append([]byte{0}, number...)
	}
	return base64.RawURLEncoding.EncodeToString(cert.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(number)
}
