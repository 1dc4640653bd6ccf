package guard_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A reload adds, removes and changes routes, and who is connected by one that stays as
// it is notices nothing. What has changed ends, and on the same address goes on as new.
func TestReload(t *testing.T) {
	w := newWorld(t)
	app, other := w.backend(), w.backend()
	server := w.guard("service/db", anybody,
		guard.Route{Name: "stays", Listen: "127.0.0.1:0", Backend: app.url()},
		guard.Route{Name: "changes", Listen: "127.0.0.1:0", Backend: app.url()},
		guard.Route{Name: "goes", Listen: "127.0.0.1:0", Backend: app.url()},
	)
	pump := w.ca.Identity("device/pump-1")
	stays, toStays := server.dial("stays", pump), app.accept()
	echo(t, stays, toStays)
	changes, toChanges := server.dial("changes", pump), app.accept()
	echo(t, changes, toChanges)
	goes, toGoes := server.dial("goes", pump), app.accept()
	echo(t, goes, toGoes)
	address := server.Address("changes").String()
	gone := server.Address("goes").String()

	next := server.conf
	next.Routes = []guard.Route{server.conf.Routes[0], server.conf.Routes[1], {Name: "comes", Listen: "127.0.0.1:0", Backend: other.url()}}
	next.Routes[1].Backend = other.url()
	require.NoError(t, server.Reload(t.Context(), next))
	ended(t, changes)
	ended(t, goes)
	require.Equal(t, gate.Draining, server.records.outcome(record.Cut).Reason)
	echo(t, stays, toStays)
	require.Equal(t, address, server.Address("changes").String())
	echo(t, server.dial("changes", pump), other.accept())
	echo(t, server.dial("comes", pump), other.accept())
	_, err := net.Dial("tcp", gone)
	require.Error(t, err)
}

// A configuration or rules that cannot be used change nothing.
func TestReloadBad(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	pump := w.ca.Identity("device/pump-1")
	c, target := server.dial("db", pump), app.accept()
	echo(t, c, target)
	bad := filepath.Join(t.TempDir(), "rules.toml")
	require.NoError(t, os.WriteFile(bad, []byte("[[allow]]\nnobody = 1\n"), 0o600))
	others := filepath.Join(t.TempDir(), "rules.toml")
	require.NoError(t, os.WriteFile(others, []byte("[[allow]]\nname = \"x\"\npeers = [\"device/other\"]\ntcp = true\n"), 0o600))
	for _, change := range []func(*guard.Config){
		func(c *guard.Config) {
			c.Rules = others // good, but not with the rest
			c.Routes = append(c.Routes[:1:1], guard.Route{Name: "taken", Listen: app.Addr().String(), Backend: app.url()})
		},
		func(c *guard.Config) { c.Rules = bad },
		func(c *guard.Config) { c.Dir = "/elsewhere" },
		func(c *guard.Config) { c.Ops = "127.0.0.1:1" },
		func(c *guard.Config) {
			c.Routes = append(c.Routes[:1:1], guard.Route{Name: "in the way", Listen: "127.0.0.1:0", Backend: app.url()})
		},
		func(c *guard.Config) {
			c.Routes = append(c.Routes[:1:1], guard.Route{Name: "taken", Listen: app.Addr().String(), Backend: app.url()})
		},
		func(c *guard.Config) { c.Routes = nil },
	} {
		next := server.conf
		change(&next)
		require.Error(t, server.Reload(t.Context(), next))
		echo(t, c, target)
		echo(t, server.dial("db", pump), app.accept())
	}
	require.NoError(t, os.WriteFile(server.conf.Rules, []byte("[[allow]]\nnobody = 1\n"), 0o600))
	require.Eventually(t, func() bool {
		status, text := get(t, server, "/readyz")
		return status == 503 && len(text) > 6 && text[:6] == "rules:"
	}, ten, tick)
	echo(t, c, target)
}

// A guard that began beside a client alone has no rules for an application: a backend
// that is added without a file would let nobody in, and is not taken.
func TestReloadNoRules(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	client := w.conf("device/pump-1", anybody, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "tls://127.0.0.1:1", Expect: []string{"spiffe://test.example/service/db"},
	})
	rules := client.conf.Rules
	client.conf.Rules = ""
	client.start()
	next := client.conf
	next.Routes = append(next.Routes[:1:1], guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	require.ErrorContains(t, client.Reload(t.Context(), next), "rules")
	next.Rules = rules
	require.ErrorContains(t, client.Reload(t.Context(), next), "start it anew")
}
