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

// A request passes only if one rule names its peer, its method and its path together.
func TestRules(t *testing.T) {
	rules, err := allow.ParseRules(
		allow.Rule{Name: "observe", Peers: []string{pumps}, Methods: []string{"POST", "PUT"}, Routes: []string{"/fhir/Observation", "/fhir/Observation/*"}},
		allow.Rule{Name: "read", Peers: []string{gateways}, Methods: []string{"GET"}, Routes: []string{"/fhir/", "/ward-*/beds/"}},
		allow.Rule{Name: "health", Peers: []string{gateways, pumps}, Routes: []string{"/healthz"}},
		allow.Rule{Name: "all", Peers: []string{"spiffe://hospital.example/admin"}},
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
		{"gateway/a", "ANYTHING", "/healthz", "health"},
		{"admin/a", "DELETE", "/", "all"},
		{"admin/a", "DELETE", "/any/thing", "all"},
		{"nobody/a", "GET", "/healthz", ""},
	} {
		name, allowed := rules.Match(id(t, tt.peer), tt.method, tt.path)
		require.Equal(t, tt.rule, name, "%+v", tt)
		require.Equal(t, tt.rule != "", allowed, "%+v", tt)
	}
	_, allowed := rules.Match(allow.ID{}, "DELETE", "/")
	require.False(t, allowed, "nobody")

	require.True(t, rules.Admits(id(t, "device/pump-1")))
	require.False(t, rules.Admits(id(t, "device/fridge")))
	require.False(t, rules.Admits(allow.ID{}))
}

// Without rules nothing is allowed.
func TestRulesDefaultDeny(t *testing.T) {
	for _, rules := range []func() (allow.Rules, error){
		func() (allow.Rules, error) { return allow.Rules{}, nil },
		func() (allow.Rules, error) { return allow.ParseRules() },
	} {
		r, err := rules()
		require.NoError(t, err)
		_, allowed := r.Match(id(t, "admin/a"), "GET", "/")
		require.False(t, allowed)
		require.False(t, r.Admits(id(t, "admin/a")))
	}
}

// A path that two programs could read differently passes no rule, not even the one for
// everything.
func TestRulesUnclearPath(t *testing.T) {
	rules, err := allow.ParseRules(allow.Rule{Peers: []string{gateways}}, allow.Rule{Peers: []string{gateways}, Routes: []string{"/"}})
	require.NoError(t, err)
	for _, path := range []string{
		"", "x", "*", "//", "//a", "/a//b", "/a//", "/.", "/..", "/a/../b", "/a/..", "/a/./b", "/a/.",
		"/a%2fb", "/%2e%2e/b", "/a;x=1/b", "/..;/b", `/a\b`, "/a\x00", "/a\nb", "/a\x7f", "/a\xff", "http://other/a",
	} {
		_, allowed := rules.Match(id(t, "gateway/a"), "GET", path)
		require.False(t, allowed, "%q", path)
	}
	for _, path := range []string{"/", "/a", "/a/", "/.well-known/x", "/...", "/a b", "/ä"} {
		_, allowed := rules.Match(id(t, "gateway/a"), "GET", path)
		require.True(t, allowed, "%q", path)
	}
}

// A rule that would mean something else than its author thinks is refused.
func TestParseRulesRefuses(t *testing.T) {
	peers := []string{gateways}
	for name, rule := range map[string]allow.Rule{
		"no peers":           {},
		"empty peers":        {Peers: []string{}},
		"bad peer":           {Peers: []string{"*"}},
		"empty methods":      {Peers: peers, Methods: []string{}},
		"empty method":       {Peers: peers, Methods: []string{""}},
		"lower-case method":  {Peers: peers, Methods: []string{"get"}},
		"method *":           {Peers: peers, Methods: []string{"*"}},
		"empty routes":       {Peers: peers, Routes: []string{}},
		"empty route":        {Peers: peers, Routes: []string{""}},
		"route without /":    {Peers: peers, Routes: []string{"fhir"}},
		"route with //":      {Peers: peers, Routes: []string{"/fhir//"}},
		"route with ..":      {Peers: peers, Routes: []string{"/fhir/../x"}},
		"route with **":      {Peers: peers, Routes: []string{"/fhir/**"}},
		"route with escapes": {Peers: peers, Routes: []string{"/fhir/%2a"}},
		"route with a query": {Peers: peers, Routes: []string{"/fhir;x"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := allow.ParseRules(allow.Rule{Peers: peers}, rule)
			require.ErrorContains(t, err, "rule 2")
		})
	}
}
