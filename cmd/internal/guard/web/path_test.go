package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// FuzzPath: a path that is taken is clear to the rules, too, is decoded once, and comes
// back as it was when it is encoded and decoded again.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/a/../b", "/a%2fb", "/a%20b", "/%C3%A9", "//", "/a;b", "/a%25", "/a/.", "/%2e%2e/", "/a?b=c", "/a?%zz", "http://a/b?c", "/a#b", "/\xff"} {
		f.Add(seed)
	}
	everything, err := allow.NewSet(allow.Rule{Name: "all", Peers: []string{"spiffe://td/*"}, HTTP: &allow.HTTPRule{}})
	require.NoError(f, err)
	id, err := allow.ParseID("spiffe://td/role/name")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, target string) {
		path, query, err := cleanTarget(target)
		if err != nil {
			return
		}
		_, allowed := everything.Decide(id, &allow.Request{Kind: allow.HTTP, Method: "GET", Path: path})
		require.True(t, allowed, "the rules find %q unclear", path)
		require.NotContains(t, path+query, "\n")
		for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
			require.NotContains(t, []string{".", ".."}, segment)
			require.True(t, segment != "" || path == "/")
		}
		u := url.URL{Path: path, RawQuery: query}
		again, sameQuery, err := cleanTarget(u.RequestURI())
		require.NoError(t, err, "what we forward, another guard takes")
		require.Equal(t, []string{path, query}, []string{again, sameQuery})
	})
}
