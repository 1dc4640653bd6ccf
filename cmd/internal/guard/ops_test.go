package guard_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"strings"

	"github.com/betonica/betonica/cmd/internal/guard"
)

func get(t *testing.T, r *running, path string) (status int, text string) {
	t.Helper()
	resp, err := http.Get("http://" + r.OpsAddress().String() + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

// The metrics are as Prometheus wants them, whatever a route is called.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	c := server.dial("db", w.ca.Identity("device/pump-1"))
	echo(t, c, app.accept())
	c.Close()
	_, err := server.tryDial("db", w.ca.Identity("device/other"))
	_ = err
	server.records.outcome("refused")
	_, text := get(t, server, "/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Contains(t, text, "betonica_guard_ready 1\n")
	require.Contains(t, text, `betonica_guard_records_total{route="db",protocol="tcp",kind="connection",outcome="allowed"}`)
	require.Contains(t, text, "betonica_guard_refused_connections_total 1\n")
	status, _ := get(t, server, "/livez")
	require.Equal(t, 200, status)
}
