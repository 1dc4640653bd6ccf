package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// What one request took its memory for, the next one has nothing of: neither its headers
// nor its trailers, neither its answer's, nor anything of its record; whoever's they are,
// and however the one before ended.
func TestNothingLeft(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for name := range r.Header {
			if strings.HasPrefix(name, "X-") {
				w.Header().Set("Saw-"+name, r.Header.Get(name))
			}
		}
		if r.URL.Path == "/none" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Write(body)
		for name := range r.Trailer {
			fmt.Fprintf(w, "%s=%s", name, r.Trailer.Get(name))
		}
	}), web.Conf{})
	p, _ := w.caller()
	const callers, rounds = 4, 10
	var all sync.WaitGroup
	for i := range callers {
		c := w.raw(p, g, "http/1.1")
		in := bufio.NewReader(c)
		all.Go(func() {
			ask := func(text string) (*http.Response, string) {
				_, err := io.WriteString(c, text)
				require.NoError(t, err)
				answer, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				body, err := io.ReadAll(answer.Body)
				require.NoError(t, err)
				n := 0
				for name := range answer.Header {
					if strings.HasPrefix(name, "Saw-") {
						n++
					}
				}
				require.Equal(t, strings.Count(text, "\r\nX-"), n, "%v", answer.Header)
				return answer, string(body)
			}
			for n := range rounds {
				own := fmt.Sprintf("X-%d-%d", i, n)
				_, body := ask("POST /a/" + own + " HTTP/1.1\r\nHost: a\r\n" + own + ": 1\r\n" + own + "-More: 2\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n")
				require.Equal(t, "abcT=v", body)
				_, body = ask("GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
				require.Empty(t, body)
				answer, _ := ask("GET /none HTTP/1.1\r\nHost: a\r\n" + own + ": 1\r\n\r\n")
				require.Equal(t, http.StatusNoContent, answer.StatusCode)
				answer, _ = ask("TRACE /refused HTTP/1.1\r\nHost: a\r\n\r\n")
				require.Equal(t, http.StatusBadRequest, answer.StatusCode)
				c.Close()
				c = w.raw(p, g, "http/1.1")
				in.Reset(c)
			}
			c.Close()
		})
	}
	all.Wait()
	count := map[string]int{}
	for _, kept := range g.wait(t, 4*callers*rounds) {
		count[kept.Operation+string(kept.Outcome)]++
		switch {
		case kept.Outcome == record.Refused:
			require.Equal(t, []any{int64(0), 400}, []any{kept.In, kept.Status})
			require.Equal(t, kept.Key.Empty(record.ToTarget), kept.Request)
		case kept.Operation == "POST":
			require.Equal(t, []any{int64(3), int64(6), 200}, []any{kept.In, kept.Out, kept.Status})
			digest := func(d record.Direction, payload string) record.Digest {
				h := kept.Key.Digest(d)
				io.WriteString(h, payload)
				return record.Digest(h.Sum(nil))
			}
			require.Equal(t, digest(record.ToTarget, "abc"), kept.Request)
			require.Equal(t, digest(record.FromTarget, "abcT=v"), kept.Response)
		default:
			require.Equal(t, []any{int64(0), int64(0)}, []any{kept.In, kept.Out})
			require.Equal(t, []record.Digest{kept.Key.Empty(record.ToTarget), kept.Key.Empty(record.FromTarget)}, []record.Digest{kept.Request, kept.Response})
			require.Empty(t, kept.Reason)
		}
	}
	require.Equal(t, map[string]int{"POSTallowed": callers * rounds, "GETallowed": 2 * callers * rounds, "refused": callers * rounds}, count)
}

// A request that lasts has its record though many before it on the connection were short,
// and again the next one that lasts.
func TestOvertime(t *testing.T) {
	w := newWorld(t)
	finish := make(chan struct{})
	g := w.server(w.application(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			<-finish
		}
	}), web.Conf{})
	web.OpenAfter(g.gate, 30*time.Millisecond)
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	in := bufio.NewReader(c)
	ask := func(path string) {
		_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
	}
	answered := func() {
		answer, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		readAll(t, answer.Body)
	}
	late := func() (n int) {
		for _, r := range g.underWay() {
			if r.Resource == "/long" { // a short one may be late on a slow machine
				n++
			}
		}
		return n
	}
	for n := range 3 {
		for range 10 {
			ask("/short")
			answered()
		}
		ask("/long")
		require.Eventually(t, func() bool { return late() == n+1 }, patience, time.Millisecond)
		finish <- struct{}{}
		answered()
	}
}
