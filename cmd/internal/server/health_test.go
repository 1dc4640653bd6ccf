package server

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
)

// The operator sees whether certificates can be issued, and why not; and no label
// of a metric is a stranger's.
func TestOps(t *testing.T) {
	f := newServer(t, nil)
	_, body := f.get(f.urls.ops + "/livez")
	require.Equal(t, "ok\n", string(body))
	resp, body := f.get(f.urls.ops + "/readyz")
	require.Equal(t, "ok\n", string(body))
	require.Equal(t, http.StatusOK, resp.StatusCode)

	f.get(f.urls.https + "/a-stranger's-path")
	_, body = f.get(f.urls.ops + "/metrics")
	text := string(body)
	require.Contains(t, text, `betonica_http_requests_total{code="404",listener="https",route="/"} 1`)
	require.NotContains(t, text, "stranger")
	require.Contains(t, text, "betonica_ready 1")
	require.Contains(t, text, `betonica_identities{state="active"} 1`)
	require.Contains(t, text, "betonica_certificates_live 1")
	require.Contains(t, text, "betonica_audit_entries 3")
	require.Contains(t, text, "go_goroutines")

	resp, _ = f.do(f.client(), http.MethodPost, f.urls.ops+"/readyz", nil, nil)
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
}

// What keeps us from issuing stands in /readyz in words, and the process is
// alive all the same.
func TestNotReady(t *testing.T) {
	f := newServer(t, nil)
	f.stop()
	require.NoError(t, f.ended())
	f.Ready = func() error {
		return errors.Join(store.InTrouble(store.TroubleLists, errors.New("a secret")), fmt.Errorf("%w: somewhere", store.ErrDiskFull))
	}
	l, err := Listen(testConfig(t))
	require.NoError(t, err)
	again := &fixture{Server: f.Server, done: make(chan error, 1), t: t}
	go func() { again.done <- f.Run(t.Context(), l) }()
	t.Cleanup(func() { require.NoError(t, <-again.done) })
	resp, body := again.get("http://" + l.URLs().Ops + "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, store.TroubleLists.String()+"\n"+store.TroubleDiskFull.String()+"\n", string(body))
	require.NotContains(t, string(body), "secret")
	_, body = again.get("http://" + l.URLs().Ops + "/livez")
	require.Equal(t, "ok\n", string(body))
	_, body = again.get("http://" + l.URLs().Ops + "/metrics")
	require.Contains(t, string(body), "betonica_ready 0")
}
