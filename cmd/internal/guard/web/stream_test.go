package web_test

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

// The end of a response waits for its record: the chunk that completes a length, the
// last chunk, and the header where there is no body.
func TestHeldBack(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{}, 1)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", "6")
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			if r.Method == "GET" {
				<-begun
			}
			io.WriteString(w, "def")
		case "/chunks":
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
			<-begun
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		}
	}), web.Conf{})
	p, _ := w.caller()
	for _, tt := range []struct{ method, path, before string }{
		{"GET", "/length", "abc"}, {"GET", "/chunks", "3\r\nabc\r\n"}, {"GET", "/none", ""}, {"HEAD", "/length", ""},
	} {
		hold, released := make(chan struct{}), atomic.Bool{}
		g.set(func(k *records) { k.hold = hold })
		c := w.raw(p, g, "http/1.1")
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", tt.method, tt.path)
		if tt.path == "/chunks" { // the record of what is under way
			<-g.asked
			hold <- struct{}{}
		}
		read := bufio.NewReader(c)
		if tt.before != "" {
			for line := "x"; line != "\r\n"; {
				var err error
				line, err = read.ReadString('\n')
				require.NoError(t, err)
			}
			got := make([]byte, len(tt.before))
			_, err := io.ReadFull(read, got)
			require.NoError(t, err)
			require.Equal(t, tt.before, string(got), "what comes before the end is not held back")
			begun <- struct{}{}
		}
		more, early := make(chan string, 1), atomic.Bool{}
		go func() {
			first, _ := read.ReadByte()
			early.Store(!released.Load())
			b, _ := io.ReadAll(read)
			more <- string(first) + string(b)
		}()
		<-g.asked // the record is about to be kept
		released.Store(true)
		close(hold)
		require.NotEmpty(t, <-more)
		require.False(t, early.Load(), "the end came before the record was kept")
	}
	g.set(func(k *records) { k.hold = nil })
}

// Without a record there is no access: none begins, and one that was under way is cut
// short.
func TestNoRecord(t *testing.T) {
	w := newWorld(t)
	var asked atomic.Int64
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/body" {
			io.WriteString(w, "abc")
			w.(http.Flusher).Flush()
		}
	}), web.Conf{})
	p, _ := w.caller()
	for _, two := range []bool{false, true} {
		g.set(func(k *records) { k.unready, k.failKeep = errors.New("disk full"), nil })
		asked.Store(0)
		response, err := w.http(p, two).Get("https://" + g.addr + "/")
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		readAll(t, response.Body)
		require.Zero(t, asked.Load())

		g.set(func(k *records) { k.unready, k.failKeep = nil, errors.New("disk full") })
		response, err = w.http(p, two).Get("https://" + g.addr + "/")
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
		readAll(t, response.Body)

		// Its header may be on its way when the record fails, or not yet.
		if response, err = w.http(p, two).Get("https://" + g.addr + "/body"); err == nil {
			_, err = io.ReadAll(response.Body)
			response.Body.Close()
		}
		require.Error(t, err, "it is not whole")
	}
}

// What no rule allows is a 403 that says nothing of rules, or PERMISSION_DENIED to a caller
// of gRPC; where the guard observes, it goes through.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }), web.Conf{})
	set := rules(allow.Rule{Name: "secret-rule", HTTP: &allow.HTTPRule{Methods: []string{"GET"}, Routes: []string{"/open/"}}})
	g.route.Rules = func() allow.Set { return set }
	p, _ := w.caller()

	response, err := w.http(p, false).Get("https://" + g.addr + "/patients/smith-1")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	require.JSONEq(t, `{"type":"about:blank","title":"Forbidden","status":403}`, readAll(t, response.Body))
	kept := g.wait(t, 1)[0]
	require.Equal(t, []any{record.Refused, "GET", "/patients/*", "", 403}, []any{kept.Outcome, kept.Operation, kept.Resource, kept.Rule, kept.Status})
	require.Contains(t, kept.Resource, "/patients", "and not whose")

	r, err := http.NewRequest("POST", "https://"+g.addr+"/svc/Method", strings.NewReader("\x00\x00\x00\x00\x00"))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/grpc+proto")
	response, err = w.http(p, true).Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, []string{"7"}, response.Header["Grpc-Status"])
	require.Empty(t, readAll(t, response.Body))
	require.Equal(t, record.Refused, g.wait(t, 2)[1].Outcome)

	response, err = w.http(p, false).Get("https://" + g.addr + "/open/x")
	require.NoError(t, err)
	require.Equal(t, "ok", readAll(t, response.Body))
	require.Equal(t, "secret-rule", g.wait(t, 3)[2].Rule)

	g.route.Observe = true
	response, err = w.http(p, false).Get("https://" + g.addr + "/patients/smith-1")
	require.NoError(t, err)
	require.Equal(t, "ok", readAll(t, response.Body))
	require.Equal(t, record.Observed, g.wait(t, 4)[3].Outcome)
}

// Through two guards both ends have the same number, link and digests, in each version,
// and what the caller says under the guards' names is gone.
func TestTwoGuards(t *testing.T) {
	for _, two := range []bool{false, true} {
		w := newWorld(t)
		var seen atomic.Pointer[http.Request]
		server := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
			seen.Store(r)
			w.Header().Set("Betonica-Secret", "of the application")
			io.Copy(w, r.Body)
		}), web.Conf{HTTP2: two})
		client := w.client(server.addr, web.Conf{Host: "records.example:8443"})

		protocols := new(http.Protocols)
		protocols.SetHTTP1(!two)
		protocols.SetUnencryptedHTTP2(two)
		transport := &http.Transport{Protocols: protocols}
		for i := range 3 {
			r, err := http.NewRequest("POST", "http://"+client.addr+"/beds/7", io.MultiReader(strings.NewReader("pay"), strings.NewReader("load")))
			require.NoError(t, err)
			r.Header.Set("Betonica-Record", "AAAAAAAAAAAAAAAAAAAAAA")
			r.Header.Set("Betonica-Identity", "spiffe://test.example/admin/eve")
			response, err := transport.RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, "payload", readAll(t, response.Body))
			require.Empty(t, response.Header.Get("Betonica-Secret"))

			a, b := client.wait(t, i+1)[i], server.wait(t, i+1)[i]
			require.NotEmpty(t, a.Link)
			require.NotEqual(t, "AAAAAAAAAAAAAAAAAAAAAA", a.Number)
			require.NotZero(t, a.Request)
			require.NotZero(t, a.Response)
			require.Equal(t, []any{a.Link, a.Number, a.Request, a.Response, a.In, a.Out, a.Status}, []any{b.Link, b.Number, b.Request, b.Response, b.In, b.Out, b.Status})
			require.Equal(t, record.Allowed, a.Outcome, a.Reason)
			require.Equal(t, []string{"spiffe://test.example/service/app", "target"}, []string{a.Target, b.Target}, "whom")
			if i > 0 {
				require.Equal(t, client.wait(t, i+1)[0].Link, a.Link, "connections are kept")
			}
		}
		require.Empty(t, seen.Load().Header.Get("Betonica-Record"))
		require.Equal(t, "spiffe://test.example/device/pump", seen.Load().Header.Get("Betonica-Identity"))
		require.Equal(t, "records.example:8443", seen.Load().Host)
		transport.CloseIdleConnections()
	}
}

// A stream of gRPC's shape goes both ways at once, message by message, and its trailers
// arrive.
func TestBidirectional(t *testing.T) {
	w := newWorld(t)
	server := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.(http.Flusher).Flush()
		buf := make([]byte, 16)
		for {
			n, err := r.Body.Read(buf)
			w.Write(buf[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set("Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
		w.Header().Set(http.TrailerPrefix+"Betonica-Identity", "forged")
	}), web.Conf{HTTP2: true})
	client := w.client(server.addr, web.Conf{})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	up, write := io.Pipe()
	r, err := http.NewRequest("POST", "http://"+client.addr+"/svc/Method", up)
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	response, err := transport.RoundTrip(r)
	require.NoError(t, err)
	buf := make([]byte, 16)
	for i := range 20 {
		message := fmt.Sprintf("message %02d", i)
		_, err := io.WriteString(write, message)
		require.NoError(t, err)
		_, err = io.ReadFull(response.Body, buf[:len(message)])
		require.NoError(t, err)
		require.Equal(t, message, string(buf[:len(message)]))
	}
	write.Close()
	require.Empty(t, readAll(t, response.Body))
	require.Equal(t, "0", response.Trailer.Get("Grpc-Status"))
	require.Equal(t, "fine", response.Trailer.Get("Grpc-Message"))
	require.Empty(t, response.Trailer.Get("Betonica-Identity"))
	a, b := client.wait(t, 1)[0], server.wait(t, 1)[0]
	require.Equal(t, []any{a.Request, a.Response, a.In}, []any{b.Request, b.Response, b.In})
	require.EqualValues(t, 200, a.In)
}

// In HTTP/1.1, too, an answer may begin before its request has ended, and neither loses
// anything.
func TestDuplex(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		buf := make([]byte, 16)
		for {
			n, err := r.Body.Read(buf)
			w.Write(buf[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}), web.Conf{})
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	read := bufio.NewReader(c)
	for i := range 2 { // on one connection
		_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(read, nil)
		require.NoError(t, err)
		for _, word := range []string{"hello", "again", "third"} {
			got := make([]byte, 5)
			_, err = io.ReadFull(answer.Body, got)
			require.NoError(t, err)
			require.Equal(t, word, string(got))
			next := map[string]string{"hello": "5\r\nagain\r\n", "again": "5\r\nthird\r\n", "third": "0\r\n\r\n"}[word]
			_, err = io.WriteString(c, next)
			require.NoError(t, err)
		}
		require.Empty(t, readAll(t, answer.Body))
		require.EqualValues(t, 15, g.wait(t, i+1)[i].In)
	}
}

// An upload of 256 MiB goes through two guards without being held in memory.
func TestLongUpload(t *testing.T) {
	const size = 256 << 20
	w := newWorld(t)
	server := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
	}), web.Conf{})
	client := w.client(server.addr, web.Conf{})
	block := make([]byte, 1<<20)
	rand.Read(block)
	h := sha256.New()
	var most uint64
	body := readerFunc(func() func(p []byte) (int, error) {
		sent := 0
		return func(p []byte) (int, error) {
			if sent == size {
				return 0, io.EOF
			}
			if sent%(16<<20) == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			n := copy(p, block[sent%len(block):])
			h.Write(p[:n])
			sent += n
			return n, nil
		}
	}())
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := http.NewRequest("POST", "http://"+client.addr+"/upload", body)
	require.NoError(t, err)
	response, err := http.DefaultTransport.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("%d %x", size, h.Sum(nil)), readAll(t, response.Body))
	require.Less(t, int64(most)-int64(before.HeapAlloc), int64(8<<20))
	t.Logf("heap grew by %d KiB", (int64(most)-int64(before.HeapAlloc))>>10)
	a, b := client.wait(t, 1)[0], server.wait(t, 1)[0]
	require.EqualValues(t, size, b.In)
	require.Equal(t, a.Request, b.Request)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
