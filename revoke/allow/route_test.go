package allow_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// A route keeps what says what is asked for, and nothing that says of whom.
func TestRouteOf(t *testing.T) {
	for path, want := range map[string]string{
		"/":                                    "/{$}",
		"/beds":                                "/beds",
		"/beds/":                               "/beds/{$}",
		"/api/v2/lab-results/88421":            "/api/v2/lab-results/*",
		"/api/v2/lab-results/88421/":           "/api/v2/lab-results/*/{$}",
		"/patients/SN-0042/vitals":             "/patients/*/vitals",
		"/patients/Müller":                     "/patients/*",
		"/fhir/Patient/1":                      "/fhir/*/*",
		"/v123/x":                              "/*/x",
		"/.well-known/a.json":                  "/.well-known/a.json",
		"/a*b/c":                               "/*/c",
		"/" + strings.Repeat("a", 33):          "/*",
		strings.Repeat("/a", 12):               strings.Repeat("/a", 12),
		strings.Repeat("/a", 13):               strings.Repeat("/a", 12) + "/",
		"/" + strings.Repeat("1", 5000) + "/x": "/*/x",
		"/a//b":                                "", "": "", "/a%2fb": "", "/a\nb": "", "*": "",
	} {
		require.Equal(t, want, allow.RouteOf(path), "%q", path)
	}
}

// FuzzRouteOf: the route of a path can stand in a rule, and covers the path.
func FuzzRouteOf(f *testing.F) {
	for _, seed := range []string{"/", "/a/1/b", "/a/", "/{$}", "/v1/..", strings.Repeat("/a", 20), "/*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		route := allow.RouteOf(path)
		if route == "" {
			return
		}
		require.LessOrEqual(t, len(route), 512)
		set := newSet(t, allow.Rule{Name: "one", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Routes: []string{route}}})
		_, allowed := set.Decide(id(t, "gateway/a"), get("GET", path))
		require.True(t, allowed)
	})
}
