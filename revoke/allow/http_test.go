package allow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

const (
	gateways = "spiffe://hospital.example/gateway"
	pumps    = "spiffe://hospital.example/device/pump-*"
)

func get(method, path string) *allow.Request {
	return &allow.Request{Kind: allow.HTTP, Listener: "web", Method: method, Path: path}
}

// A request passes only if one rule names its peer, its method and its path together.
func TestHTTP(t *testing.T) {
	rules, err := allow.NewSet(
		allow.Rule{Name: "observe", Peers: []string{pumps}, HTTP: &allow.HTTPRule{Methods: []string{"POST", "PUT"}, Routes: []string{"/fhir/Observation", "/fhir/Observation/*"}}},
		allow.Rule{Name: "read", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Methods: []string{"GET"}, Routes: []string{"/fhir/", "/ward-*/beds/"}}},
		allow.Rule{Name: "health", Peers: []string{gateways, pumps}, HTTP: &allow.HTTPRule{Routes: []string{"/healthz"}}},
		allow.Rule{Name: "front", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Routes: []string{"/{$}", "/*/list/{$}", "/a{$}"}}},
		allow.Rule{Name: "all", Peers: []string{"spiffe://hospital.example/admin"}, HTTP: &allow.HTTPRule{}},
	)
	require.NoError(t, err)
	for _, tt := range []struct{ peer, method, path, rule string }{
		{"device/pump-1", "POST", "/fhir/Observation", "observe"},
		{"device/pump-1", "PUT", "/fhir/Observation/a.b-c", "observe"},
		{"device/pump-1", "DELETE", "/fhir/Observation/1", ""},
		{"device/pump-1", "post", "/fhir/Observation", ""},
		{"device/pump-1", "POST", "/fhir/Observation/", ""},
		{"device/pump-1", "POST", "/fhir/Observation/1/2", ""},
		{"device/pump-1", "POST", "/fhir/Patient", ""},
		{"device/pump-1", "GET", "/fhir/Observation", ""},
		{"device/fridge", "POST", "/fhir/Observation", ""},
		{"gateway/a", "GET", "/fhir/", "read"},
		{"gateway/a", "GET", "/fhir/Patient/1/_history/2", "read"},
		{"gateway/a", "GET", "/fhir", ""},
		{"gateway/a", "GET", "/fhirx/Patient", ""},
		{"gateway/a", "HEAD", "/fhir/Patient", ""},
		{"gateway/a", "GET", "/ward-7/beds/1", "read"},
		{"gateway/a", "GET", "/ward-/beds/1", ""},
		{"gateway/a", "GET", "/ward-7/x/beds/1", ""},
		{"gateway/a", "GET", "/", "front"},
		{"gateway/a", "GET", "/x/list/", "front"},
		{"gateway/a", "GET", "/x/list", ""},
		{"gateway/a", "GET", "/x/list/y", ""},
		{"gateway/a", "GET", "/a{$}", "front"},
		{"gateway/a", "GET", "/a", ""},
		{"gateway/a", "ANYTHING", "/healthz", "health"},
		{"admin/a", "DELETE", "/", "all"},
		{"admin/a", "DELETE", "/any/thing", "all"},
		{"nobody/a", "GET", "/healthz", ""},
	} {
		name, allowed := rules.Decide(id(t, tt.peer), get(tt.method, tt.path))
		require.Equal(t, tt.rule, name, "%+v", tt)
		require.Equal(t, tt.rule != "", allowed, "%+v", tt)
	}
	_, allowed := rules.Decide(allow.ID{}, get("DELETE", "/"))
	require.False(t, allowed, "nobody")

	require.True(t, rules.Admits(id(t, "device/pump-1"), "web"))
	require.False(t, rules.Admits(id(t, "device/fridge"), "web"))
	require.False(t, rules.Admits(allow.ID{}, "web"))
}

// A path that two programs could read differently passes no rule, not even the one for
// everything.
func TestHTTPUnclearPath(t *testing.T) {
	rules, err := allow.NewSet(
		allow.Rule{Name: "any", Peers: []string{gateways}, HTTP: &allow.HTTPRule{}},
		allow.Rule{Name: "below", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Routes: []string{"/"}}},
	)
	require.NoError(t, err)
	for _, path := range []string{
		"", "x", "*", "//", "//a", "/a//b", "/a//", "/.", "/..", "/a/../b", "/a/..", "/a/./b", "/a/.",
		"/a%2fb", "/%2e%2e/b", "/a;x=1/b", "/..;/b", `/a\b`, "/a\x00", "/a\nb", "/a\x7f", "/a\xff", "http://other/a",
	} {
		_, allowed := rules.Decide(id(t, "gateway/a"), get("GET", path))
		require.False(t, allowed, "%q", path)
	}
	for _, path := range []string{"/", "/a", "/a/", "/.well-known/x", "/...", "/a b", "/ä"} {
		_, allowed := rules.Decide(id(t, "gateway/a"), get("GET", path))
		require.True(t, allowed, "%q", path)
	}
}
