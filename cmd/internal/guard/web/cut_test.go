package web_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// endless writes until its connection ends.
func endless(w http.ResponseWriter, r *http.Request) {
	block := make([]byte, 4<<10)
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// A caller that is revoked in the middle of a download gets no more of it, and that is what
// the record says.
func TestRevokedInTheMiddle(t *testing.T) {
	for _, two := range []bool{false, true} {
		w := newWorld(t)
		g := w.server(w.application(endless), web.Conf{})
		p, id := w.caller()
		response, err := w.http(p, two).Get("https://" + g.addr + "/scan")
		require.NoError(t, err)
		_, err = io.CopyN(io.Discard, response.Body, 1<<20)
		require.NoError(t, err)
		w.ca.Revoke(id)
		_, err = io.Copy(io.Discard, response.Body)
		require.Error(t, err)
		response.Body.Close()
		kept := g.wait(t, 1)[0]
		require.Equal(t, record.Cut, kept.Outcome)
		require.Equal(t, gate.Revoked, kept.Reason)
		require.Zero(t, kept.Response, "no digest of a part")
		require.GreaterOrEqual(t, kept.Out, int64(1<<20))
	}
}

// So it is where the other machine is revoked: the client's guard cuts its end, and says
// so.
func TestTargetRevoked(t *testing.T) {
	w := newWorld(t)
	server := w.server(w.application(endless), web.Conf{})
	client := w.client(server.addr, web.Conf{})
	response, err := http.Get("http://" + client.addr + "/scan")
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, response.Body, 1<<20)
	require.NoError(t, err)
	w.ca.Revoke(server.id)
	_, err = io.Copy(io.Discard, response.Body)
	require.Error(t, err)
	response.Body.Close()
	kept := client.wait(t, 1)[0]
	require.Equal(t, []any{record.Cut, "target: " + gate.Revoked}, []any{kept.Outcome, kept.Reason})

	response, err = http.Get("http://" + client.addr + "/scan")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	response.Body.Close()
	require.Equal(t, record.Failed, client.wait(t, 2)[1].Outcome)
}

// A caller who goes away, a target that dies in the middle, and one that is not there at
// all, are told apart.
func TestFailures(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/die" {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		endless(w, r)
	}), web.Conf{})
	p, _ := w.caller()

	response, err := w.http(p, false).Get("https://" + g.addr + "/die")
	require.NoError(t, err)
	_, err = io.ReadAll(response.Body)
	require.Error(t, err)
	kept := g.wait(t, 1)[0]
	require.Equal(t, record.Failed, kept.Outcome)
	require.Regexp(t, "^target: ", kept.Reason)

	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", "https://"+g.addr+"/", nil)
	require.NoError(t, err)
	response, err = w.http(p, true).Do(r)
	require.NoError(t, err)
	_, err = io.CopyN(io.Discard, response.Body, 10)
	require.NoError(t, err)
	cancel()
	kept = g.wait(t, 2)[1]
	require.Equal(t, []any{record.Failed, "caller: gone"}, []any{kept.Outcome, kept.Reason})

	lonely := w.server("127.0.0.1:1", web.Conf{})
	response, err = w.http(p, false).Get("https://" + lonely.addr + "/")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadGateway, response.StatusCode)
	require.NotContains(t, readAll(t, response.Body), "127.0.0.1")
	kept = lonely.wait(t, 1)[0]
	require.Equal(t, []any{record.Failed, 502}, []any{kept.Outcome, kept.Status})
	require.Equal(t, "target: connect: connection refused", kept.Reason)
}
