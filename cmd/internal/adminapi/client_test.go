package adminapi_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// serve answers on a Unix socket and returns a client of it.
func serve(t *testing.T, h http.HandlerFunc) *adminapi.Client {
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(h)
	srv.Listener.Close()
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	c := adminapi.Unix(path)
	t.Cleanup(c.Close)
	return c
}

// A request arrives as doc.go says, and its answer comes back whole.
func TestCreateToken(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "POST /v1/admin/tokens", r.Method+" "+r.URL.Path)
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
		var req map[string]any
		require.NoError(t, json.NewDecoder(r.Body).Decode(&req))
		require.Equal(t, map[string]any{"role": "device", "name": "SN-1", "ttl": "1h30m0s"}, req)
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(adminapi.NewToken{Token: adminapi.Token{ID: "ab", Role: "device"}, Secret: "bt1.x.y"})
	})
	got, err := c.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1", TTL: adminapi.Duration(90 * time.Minute)})
	require.NoError(t, err)
	require.Equal(t, "ab", got.ID)
	require.Equal(t, "bt1.x.y", got.Secret)
}

// What a person types as a name stays a name: it neither ends the path nor adds
// a query.
func TestIdentityPath(t *testing.T) {
	var seen string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.RequestURI
		w.Write([]byte("{}"))
	})
	_, err := c.Suspend(t.Context(), "device/a b?x#y%2f")
	require.NoError(t, err)
	require.Equal(t, "/v1/admin/identities/device/a%20b%3Fx%23y%252f/suspend", seen)
}

// All meets every item of every page once, and stops at an error.
func TestAll(t *testing.T) {
	list := func(_ context.Context, p adminapi.PageRequest) (adminapi.Page[int], error) {
		at, _ := strconv.Atoi(p.Token)
		if at == 4 {
			return adminapi.Page[int]{Items: []int{4}}, nil
		}
		return adminapi.Page[int]{Items: []int{at, at + 1}, Next: strconv.Itoa(at + 2)}, nil
	}
	var got []int
	for n, err := range adminapi.All(t.Context(), list) {
		require.NoError(t, err)
		got = append(got, n)
	}
	require.Equal(t, []int{0, 1, 2, 3, 4}, got)

	fail := func(context.Context, adminapi.PageRequest) (adminapi.Page[int], error) {
		return adminapi.Page[int]{}, adminapi.ErrUnreachable
	}
	n := 0
	for _, err := range adminapi.All(t.Context(), fail) {
		require.ErrorIs(t, err, adminapi.ErrUnreachable)
		n++
	}
	require.Equal(t, 1, n)
}

// A refusal is a *Problem, also where no problem document came; silence is
// ErrUnreachable.
func TestErrors(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/admin/policy" {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"type":"forbidden","title":"Forbidden","status":403,"detail":"role auditor may not","request_id":"r1"}`))
	})
	_, err := c.Status(t.Context())
	var p *adminapi.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, http.StatusForbidden, p.Status)
	require.Equal(t, "role auditor may not (request id r1)", p.Error())

	_, err = c.Policy(t.Context())
	require.ErrorAs(t, err, &p)
	require.Equal(t, http.StatusBadGateway, p.Status)
	require.Equal(t, "502 Bad Gateway", p.Error())

	_, err = adminapi.Unix(filepath.Join(t.TempDir(), "none.sock")).Status(t.Context())
	require.ErrorIs(t, err, adminapi.ErrUnreachable)
}
