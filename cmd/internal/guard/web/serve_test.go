package web_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// A request goes through in both versions of HTTP, and the application learns who asks,
// from the guard alone.
func TestServer(t *testing.T) {
	for _, two := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%t", two), func(t *testing.T) {
			w := newWorld(t)
			var seen http.Header
			app := w.application(func(w http.ResponseWriter, r *http.Request) {
				seen = r.Header
				body, _ := io.ReadAll(r.Body)
				w.WriteHeader(http.StatusCreated)
				fmt.Fprintf(w, "%s %s %s", r.Method, r.URL, body)
			})
			g := w.server(app, web.Conf{HTTP2: two})
			p, id := w.caller()
			r, err := http.NewRequest("POST", "https://"+g.addr+"/beds/7?x=%2F", strings.NewReader("vitals"))
			require.NoError(t, err)
			for _, name := range []string{"Client-Cert", "client_cert", "Client-Cert-Chain", "BETONICA_IDENTITY", "Betonica.Identity", "X-Forwarded-For", "Forwarded", "X-HTTP-Method-Override"} {
				r.Header[name] = []string{"forged"}
			}
			if !two {
				r.Header.Set("Connection", "betonica-identity, x-app")
			}
			r.Header.Set("X-App", "its own")
			response, err := w.http(p, two).Do(r)
			require.NoError(t, err)
			require.Equal(t, http.StatusCreated, response.StatusCode)
			require.Equal(t, "POST /beds/7?x=%2F vitals", readAll(t, response.Body))

			require.Equal(t, []string{"spiffe://test.example/device/scanner"}, seen["Betonica-Identity"])
			require.Equal(t, []string{":" + base64.StdEncoding.EncodeToString(id.Certificate().Certificate[0]) + ":"}, seen["Client-Cert"])
			for name, values := range seen {
				require.NotContains(t, values, "forged", name)
			}
			require.Equal(t, two, seen.Get("X-App") != "", "what Connection names is of one hop")

			kept := g.wait(t, 1)[0]
			require.Equal(t, "spiffe://test.example/device/scanner", kept.Caller)
			require.Equal(t, []any{record.HTTP, record.Request, "POST", "/beds/*", "any", record.Allowed, 201}, []any{kept.Protocol, kept.Kind, kept.Operation, kept.Resource, kept.Rule, kept.Outcome, kept.Status})
			require.Equal(t, []int64{6, 25}, []int64{kept.In, kept.Out})
			digest := kept.Key.Digest(record.ToTarget)
			digest.Write([]byte("vitals"))
			require.Equal(t, record.Digest(digest.Sum(nil)), kept.Request)
		})
	}
}
