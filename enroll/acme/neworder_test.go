package acme_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An order that cannot be is refused when it is made, and says which names are to
// blame.
func TestBadOrder(t *testing.T) {
	w := newWorld(t, open)
	bound, unbound := w.bound("device", "pump-1"), w.unbound()
	order := func(change map[string]any) map[string]any {
		o := map[string]any{"identifiers": dns("pump-1.devices.example")}
		for k, v := range change {
			o[k] = v
		}
		return o
	}
	ids := func(pairs ...string) map[string]any {
		var list []map[string]string
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, map[string]string{"type": pairs[i], "value": pairs[i+1]})
		}
		return map[string]any{"identifiers": list}
	}
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("x%d.shared.example", i))
	}
	for _, tt := range []struct {
		name    string
		u       *user
		payload any
		status  int
		kind    string
	}{
		{"POST-as-GET", bound, nil, 400, "malformed"},
		{"null", bound, []byte("null"), 400, "malformed"},
		{"a member twice", bound, []byte(`{"identifiers":[],"identifiers":[]}`), 400, "malformed"},
		{"no identifiers", bound, map[string]any{}, 400, "malformed"},
		{"101 names", bound, map[string]any{"identifiers": dns(many...)}, 400, "malformed"},
		{"notBefore", bound, order(map[string]any{"notBefore": "2026-01-01T00:00:00Z"}), 400, "malformed"},
		{"notAfter", bound, order(map[string]any{"notAfter": "2036-01-01T00:00:00Z"}), 400, "malformed"},
		{"unknown profile", bound, order(map[string]any{"profile": "nobody"}), 400, "invalidProfile"},
		{"profile of another role", bound, order(map[string]any{"profile": "web"}), 400, "invalidProfile"},
		{"profile of people", unbound, order(map[string]any{"profile": "admin"}), 400, "invalidProfile"},
		{"email", bound, ids("email", "x@hospital.example"), 400, "unsupportedIdentifier"},
		{"not a DNS name", bound, ids("dns", "ex ample"), 400, "rejectedIdentifier"},
		{"wildcard inside", bound, ids("dns", "a.*.example"), 400, "rejectedIdentifier"},
		{"two wildcards", bound, ids("dns", "*.*.example"), 400, "rejectedIdentifier"},
		{"address as dns", bound, ids("dns", "127.0.0.1"), 400, "rejectedIdentifier"},
		{"not an address", bound, ids("ip", "pump-1"), 400, "rejectedIdentifier"},
		{"address with a zone", bound, ids("ip", "fe80::1%eth0"), 400, "rejectedIdentifier"},
		{"mapped address", bound, ids("ip", "::ffff:127.0.0.1"), 400, "rejectedIdentifier"},
		{"two kinds of wrong", bound, ids("dns", "_", "email", "x"), 400, "compound"},
		{"another identity's name", bound, ids("dns", "pump-2.devices.example"), 403, "rejectedIdentifier"},
		{"a name of no role", bound, ids("dns", "pump-1.devices.example", "dns", "evil.example"), 403, "rejectedIdentifier"},
		{"an address of no role", bound, ids("ip", "192.0.2.1"), 403, "rejectedIdentifier"},
		{"another device", bound, ids("permanent-identifier", "pump-2"), 403, "rejectedIdentifier"},
		{"replaces garbage", bound, order(map[string]any{"replaces": "x.y"}), 400, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			object := tt.u.post("/acme/new-order", tt.payload).refused(tt.status, tt.kind)
			if strings.Contains(tt.kind, "Identifier") || tt.kind == "compound" {
				subs := object["subproblems"].([]any)
				require.NotEmpty(t, subs)
				for _, sub := range subs {
					require.Contains(t, sub, "identifier")
					require.Contains(t, sub, "detail")
				}
			}
		})
	}
}
