package web_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

const name = "SMITH^JOHN"

// Of an answer that is long, or of which nobody knows how long it is, there is a record
// before its first byte is with the caller; of a request before its first byte is with the
// target: a guard that is killed meanwhile leaves a trace. Others have the one record.
func TestOpen(t *testing.T) {
	w := newWorld(t)
	arrived, finish := make(chan struct{}), make(chan struct{})
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", "2097152")
			fallthrough
		case "/stream":
			io.WriteString(w, name)
			w.(http.Flusher).Flush()
			select {
			case <-finish:
			case <-t.Context().Done():
			}
			if r.URL.Path == "/length" {
				io.WriteString(w, strings.Repeat("x", 2<<20-len(name)))
			}
		case "/upload":
			io.ReadFull(r.Body, make([]byte, len(name)))
			arrived <- struct{}{}
			io.Copy(io.Discard, r.Body)
		case "/short":
			io.Copy(w, r.Body)
		}
	}), web.Conf{})
	p, _ := w.caller()
	n, open := 0, 0
	under := func(operation string, status int) {
		kept := g.opened(t, open+1)[open]
		require.Equal(t, []any{record.Request, operation, record.Allowed, "any", status, time.Duration(0)}, []any{kept.Kind, kept.Operation, kept.Outcome, kept.Rule, kept.Status, kept.Duration()})
		require.Len(t, g.wait(t, n), n, "it is not over")
		open++
	}
	over := func(pass func(record.Record) bool) {
		n++
		kept := g.wait(t, n)[n-1]
		require.Equal(t, record.Allowed, kept.Outcome, kept.Reason)
		require.NotZero(t, kept.End)
		require.Equal(t, g.opened(t, open)[open-1].Number, kept.Number)
		require.True(t, pass(kept))
	}
	for _, two := range []bool{false, true} {
		c := w.http(p, two)
		for _, path := range []string{"/stream", "/length"} {
			answer, err := c.Get("https://" + g.addr + path)
			require.NoError(t, err)
			_, err = io.ReadFull(answer.Body, make([]byte, len(name)))
			require.NoError(t, err)
			under("GET", 200)
			finish <- struct{}{}
			readAll(t, answer.Body)
			over(func(r record.Record) bool { return r.Out >= int64(len(name)) })
		}
		for _, length := range []int64{-1, 2 << 20} {
			up, write := io.Pipe()
			r, err := http.NewRequest("POST", "https://"+g.addr+"/upload", up)
			require.NoError(t, err)
			r.ContentLength = length
			go func() {
				io.WriteString(write, name)
				<-finish
				io.WriteString(write, strings.Repeat("x", 2<<20-len(name)))
				write.Close()
			}()
			answered := make(chan error, 1)
			go func() {
				answer, err := c.Do(r)
				if err == nil {
					answer.Body.Close()
				}
				answered <- err
			}()
			<-arrived
			under("POST", 0)
			finish <- struct{}{}
			require.NoError(t, <-answered)
			over(func(r record.Record) bool { return r.In == 2<<20 })
		}
		answer, err := c.Post("https://"+g.addr+"/short", "text/plain", strings.NewReader(name))
		require.NoError(t, err)
		require.Equal(t, name, readAll(t, answer.Body))
		n++
		g.wait(t, n)
		g.opened(t, open)
	}
}

// Of what lasts there is a record, too, however short it is in the end.
func TestOpenLasting(t *testing.T) {
	w := newWorld(t)
	finish := make(chan struct{})
	g := w.server(w.application(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "3")
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		<-finish
		io.WriteString(w, "bc")
	}), web.Conf{})
	web.OpenAfter(g.gate, time.Millisecond)
	p, _ := w.caller()
	answer, err := w.http(p, false).Get("https://" + g.addr + "/")
	require.NoError(t, err)
	require.Zero(t, g.opened(t, 1)[0].End)
	g.set(func(k *records) { k.failKeep = errors.New("disk full") })
	finish <- struct{}{}
	_, err = io.ReadAll(answer.Body)
	require.Error(t, err)

	answer, err = w.http(p, false).Get("https://" + g.addr + "/")
	if err == nil { // what cannot be kept goes no further, though neither end does anything
		_, err = io.ReadAll(answer.Body)
	}
	require.True(t, err != nil || answer.StatusCode == http.StatusServiceUnavailable)
	close(finish)
}

// Without that record nothing of the body goes on.
func TestOpenUnkept(t *testing.T) {
	w := newWorld(t)
	var got atomic.Int64
	finish := make(chan struct{})
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" {
			n, _ := io.Copy(io.Discard, r.Body)
			got.Add(n)
			return
		}
		io.WriteString(w, name)
		w.(http.Flusher).Flush()
		<-finish
	}), web.Conf{})
	defer close(finish)
	g.set(func(k *records) { k.failKeep = errors.New("disk full") })
	p, _ := w.caller()
	for _, two := range []bool{false, true} {
		answer, err := w.http(p, two).Get("https://" + g.addr + "/")
		if err == nil { // the header was on its way
			var b []byte
			b, err = io.ReadAll(answer.Body)
			require.Empty(t, b)
		}
		require.Error(t, err)

		up, write := io.Pipe()
		go func() {
			io.WriteString(write, name)
			write.CloseWithError(errors.New("the test is over"))
		}()
		answer, err = w.http(p, two).Post("https://"+g.addr+"/", "text/plain", up)
		if err == nil {
			require.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
			answer.Body.Close()
		}
		up.Close()
		require.Zero(t, got.Load())
	}
}
