package guard_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

// Strangers who come by the hundred do not fill the journal, and none of them is
// forgotten: a few have records of their own, and one record counts the others.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	app := w.backend()
	server := w.guard("service/db", anybody, guard.Route{Name: "db", Listen: "127.0.0.1:0", Backend: app.url()})
	const strangers = 100
	for range strangers {
		c, err := tls.Dial("tcp", server.Address("db").String(), &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			ended(t, c)
			c.Close()
		}
	}
	server.records.wait(func(r record.Record) bool { return strings.Contains(r.Reason, "more connections were refused") })
	require.Eventually(t, func() bool {
		_, text := get(t, server, "/metrics")
		return strings.Contains(text, "betonica_guard_refused_connections_total 100\n")
	}, ten, tick)
	require.Less(t, server.records.len(), strangers)
}
