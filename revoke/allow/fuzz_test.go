package allow_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// FuzzPeers: a pattern that is taken matches exactly what a regular expression of the
// same meaning matches, and never an ID that is none.
func FuzzPeers(f *testing.F) {
	for _, seed := range [][2]string{
		{"spiffe://td/role/name", "spiffe://td/role/name"},
		{"spiffe://td/role/a*b*c", "spiffe://td/role/axbxbc"},
		{"spiffe://td/*/a.*", "spiffe://td/role/a.b"},
		{"spiffe://td/role", "spiffe://td/role/a.b.c"},
		{"spiffe://*/role", "spiffe://td/role/a"},
		{"spiffe://td/r*/**", "spiffe://td/role/../x"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, uri string) {
		id, notID := allow.ParseID(uri)
		if notID == nil {
			require.Equal(t, uri, id.String())
			require.NotContains(t, uri, "*")
		}
		peers, err := allow.ParsePeers(pattern)
		if err != nil {
			return
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^/.]+`)
		if strings.Count(pattern, "/") == 3 {
			expression += `/[^/]+`
		}
		want := notID == nil && regexp.MustCompile(`\A`+expression+`\z`).MatchString(uri)
		require.Equal(t, want, peers.Match(id))
		if want {
			require.True(t, strings.HasPrefix(uri, "spiffe://"+strings.Split(pattern, "/")[2]+"/"), "of this trust domain")
		}
	})
}

// FuzzRoutes: a route that is taken matches exactly what a regular expression of the
// same meaning matches, and never a path that climbs.
func FuzzRoutes(f *testing.F) {
	for _, seed := range [][2]string{
		{"/fhir/", "/fhir/Patient/1"}, {"/fhir/*/x", "/fhir/a.b/x"}, {"/", "/a/../b"}, {"/a*b/*/", "/axb/c/d"}, {"/a/**", "/a//b"},
		{"/{$}", "/"}, {"/a/*/{$}", "/a/b/"}, {"/a{$}", "/a{$}"},
	} {
		f.Add(seed[0], seed[1])
	}
	peer := id(f, "gateway/a")
	f.Fuzz(func(t *testing.T, route, path string) {
		rules, err := allow.NewSet(allow.Rule{Name: "one", Peers: []string{gateways}, HTTP: &allow.HTTPRule{Routes: []string{route}}})
		if err != nil || route == "*" {
			return
		}
		_, allowed := rules.Decide(peer, get("GET", path))
		exact, isExact := strings.CutSuffix(route, "/{$}")
		if isExact {
			exact += "/"
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(exact), `\*`, `[^/]+`)
		if strings.HasSuffix(exact, "/") && !isExact {
			expression += `.*`
		}
		matches := regexp.MustCompile(`\A` + expression + `\z`).MatchString(path)
		if allowed {
			require.True(t, matches)
			for segment := range strings.SplitSeq(path[1:], "/") {
				require.NotContains(t, []string{".", ".."}, segment)
			}
			require.NotContains(t, path, "//")
			require.False(t, strings.ContainsAny(path, "%;\\\x00\r\n"))
		} else if matches {
			all, err := allow.NewSet(allow.Rule{Name: "all", Peers: []string{gateways}, HTTP: &allow.HTTPRule{}})
			require.NoError(t, err)
			_, clear := all.Decide(peer, get("GET", path))
			require.False(t, clear, "what matches is allowed, unless the path is unclear")
		}
	})
}

func BenchmarkPeers(b *testing.B) {
	peers, err := allow.ParsePeers("spiffe://hospital.example/gateway/*", "spiffe://hospital.example/service/*", "spiffe://hospital.example/device/pump-*")
	require.NoError(b, err)
	pump := id(b, "device/pump-0042")
	b.ReportAllocs()
	for b.Loop() {
		if !peers.Match(pump) {
			b.Fatal("denied")
		}
	}
}
