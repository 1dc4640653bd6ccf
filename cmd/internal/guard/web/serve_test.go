package web_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
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
			for _, name := range []string{"Client-Cert", "client_cert", "Client-Cert-Chain", "BETONICA_IDENTITY", "Betonica.Identity", "X-Forwarded-For", "Forwarded", "X-HTTP-Method-Override", "X-Original-URL", "X-Cascade", "Proxy"} {
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

// Trailers of a request arrive, but for what only the guard may say, or what would come
// too late.
func TestRequestTrailers(t *testing.T) {
	for _, two := range []bool{false, true} {
		w := newWorld(t)
		seen := make(chan http.Header, 1)
		g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			seen <- r.Trailer
		}), web.Conf{HTTP2: two})
		p, _ := w.caller()
		r, err := http.NewRequest("POST", "https://"+g.addr+"/", io.MultiReader(strings.NewReader("abc")))
		require.NoError(t, err)
		r.Trailer = http.Header{"X-Sum": {"7"}, "Betonica-Identity": {"forged"}, "Client_cert": {"forged"}, "X-Forwarded-For": {"forged"}}
		if !two { // of HTTP/2 it is an error already
			r.Trailer.Set("Authorization", "late")
		}
		response, err := w.http(p, two).Do(r)
		require.NoError(t, err)
		readAll(t, response.Body)
		require.Equal(t, http.Header{"X-Sum": {"7"}}, <-seen)
	}
}

// A request with what HTTP calls a body of unknown length, and nothing in it, has the
// digest of nothing.
func TestEmptyBody(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), web.Conf{})
	p, _ := w.caller()
	for i, body := range []io.Reader{nil, io.MultiReader()} {
		r, err := http.NewRequest("POST", "https://"+g.addr+"/", body)
		require.NoError(t, err)
		response, err := w.http(p, false).Do(r)
		require.NoError(t, err)
		require.Empty(t, readAll(t, response.Body))
		kept := g.wait(t, i+1)[i]
		require.Equal(t, record.Digest(kept.Key.Digest(record.ToTarget).Sum(nil)), kept.Request)
		require.Equal(t, record.Digest(kept.Key.Digest(record.FromTarget).Sum(nil)), kept.Response)
	}
}

// With the setting, the application is told the intermediates, too, in their order.
func TestChain(t *testing.T) {
	w := newWorld(t)
	seen := make(chan http.Header, 1)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header }), web.Conf{Chain: true})
	p, _ := w.caller()
	response, err := w.http(p, false).Get("https://" + g.addr + "/")
	require.NoError(t, err)
	readAll(t, response.Body)
	require.Equal(t, []string{":" + base64.StdEncoding.EncodeToString(w.ca.Intermediate().Raw) + ":"}, (<-seen)["Client-Cert-Chain"])
}

// Where the target is told of each connection's caller, no caller's request goes over the
// connection of another; elsewhere they share connections.
func TestProxied(t *testing.T) {
	for _, proxied := range []bool{true, false} {
		w := newWorld(t)
		g := w.server("", web.Conf{})
		app := w.application(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RemoteAddr) })
		var mu sync.Mutex
		dialled := map[string]*gate.Link{}
		g.route.Proxied = proxied
		g.route.Dial = func(_ context.Context, l *gate.Link) (*gate.Target, error) {
			c, err := net.Dial("tcp", app)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			dialled[c.LocalAddr().String()] = l
			return &gate.Target{Conn: c}, nil
		}
		p, _ := w.caller()
		over := map[string]bool{}
		for range 3 {
			client := w.http(p, false)
			for range 2 {
				response, err := client.Get("https://" + g.addr + "/")
				require.NoError(t, err)
				from := readAll(t, response.Body)
				over[from] = true
				mu.Lock()
				l := dialled[from]
				mu.Unlock()
				if proxied {
					require.Same(t, g.last(), l)
				} else {
					require.Nil(t, l)
				}
			}
		}
		if !proxied {
			require.Less(t, len(over), 6, "some are shared")
		}
	}
}
