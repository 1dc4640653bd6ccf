package guard_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A guard that has its lists from a neighbour's guard alone, and reaches the CA not at all,
// cuts who is revoked.
func TestListsServed(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	socket := filepath.Join(t.TempDir(), "lists")
	near := w.conf("service/near", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	near.conf.Lists.Serve = "unix:" + socket
	near.start()
	at, err := url.Parse("http://neighbour")
	require.NoError(t, err)
	street := httputil.NewSingleHostReverseProxy(at)
	street.FlushInterval = -1
	street.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	neighbour := httptest.NewServer(street)
	t.Cleanup(func() { near.stop(); neighbour.Close() })

	far := w.conf("service/far", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	far.conf.Lists.URL, far.conf.Lists.OCSP = neighbour.URL, neighbour.URL+"/ocsp"
	far.start()
	t.Cleanup(far.stop)
	pump := w.ca.Identity("device/pump-1")
	c := far.dial("db", pump)
	echo(t, c, app.accept())
	w.ca.Revoke(pump)
	ended(t, c)
	require.Equal(t, "revoked", far.records.outcome(record.Cut).Reason)
}
