package guard_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A WebSocket lasts as long as a rule allows its path: others of the same caller do not
// keep it.
func TestWebSocketNotAllowed(t *testing.T) {
	w := newWorld(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, buf)
	}))
	defer app.Close()
	const both = "[[allow]]\nname = \"feed\"\npeers = [\"device/pump-*\"]\nhttp = { methods = [\"GET\"], routes = [\"/feed\"] }\n[[allow]]\nname = \"health\"\npeers = [\"device/pump-*\"]\nhttp = { methods = [\"GET\"], routes = [\"/health\"] }\n"
	server := w.guard("service/db", both, guard.Route{Name: "web", Listen: "127.0.0.1:0", Backend: app.URL})
	c := server.dial("web", w.ca.Identity("device/pump-1"))
	c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := io.WriteString(c, "GET /feed HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	require.NoError(t, err)
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, 101, a.StatusCode)
	_, rest, _ := strings.Cut(both, "/feed\"] }\n")
	require.NoError(t, os.WriteFile(server.conf.Rules, []byte(rest), 0o600))
	ended(t, c)
	cut := server.records.outcome(record.Cut)
	require.Equal(t, []any{gate.NotAllowed, "/feed"}, []any{cut.Reason, cut.Resource})
}
