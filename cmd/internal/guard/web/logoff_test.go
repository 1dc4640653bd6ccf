package web_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A connection that the guard ends between two requests has a record that says why. It
// names no link: the other end has no access of that number.
func TestLogoff(t *testing.T) {
	for _, reason := range []string{gate.Idle, gate.TooOld, gate.Revoked, gate.Expired, gate.NotAllowed} {
		w := newWorld(t)
		g := w.server(w.application(func(http.ResponseWriter, *http.Request) {}), web.Conf{})
		p, _ := w.caller()
		c := w.raw(p, g, "http/1.1")
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		_, err = http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		g.wait(t, 1)
		g.last().End(reason)
		io.Copy(io.Discard, c)
		kept := g.wait(t, 2)[1]
		require.Equal(t, []any{record.Connection, "close", record.Cut, reason, ""}, []any{kept.Kind, kept.Operation, kept.Outcome, kept.Reason, kept.Link})
		require.Equal(t, "spiffe://test.example/device/scanner", kept.Caller)
	}
}
