package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// origin starts an application that writes its answers byte by byte as it likes: each
// connection, numbered from 1, is talk's.
func (w *world) origin(talk func(n int, c net.Conn, in *bufio.Reader)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(w, err)
	w.Cleanup(func() { l.Close() })
	go func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.Cleanup(func() { c.Close() })
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(patience))
				talk(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

// asked reads one request, and returns its path; "": there is none.
func asked(in *bufio.Reader) string {
	r, err := http.ReadRequest(in)
	if err != nil {
		return ""
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return ""
	}
	return r.URL.Path
}

// An answer that has more than one reading, or no end, reaches nobody: it is a 502 to
// callers of both versions, and its connection is not used again.
func TestBadAnswers(t *testing.T) {
	for name, text := range map[string]string{
		"both lengths":      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"obs-fold":          "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n",
		"bare LF":           "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"no HTTP":           "220 mail.example ESMTP\r\n\r\n",
		"too large":         "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10) + "\r\n\r\n",
		"endless":           "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10),
		"1xx without end":   strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 1000),
		"nothing":           "",
		"part of a head":    "HTTP/1.1 200 OK\r\nContent-Le",
		"switch unasked":    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"bad one after 103": "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var connections atomic.Int64
			g := w.server(w.origin(func(n int, c net.Conn, in *bufio.Reader) {
				connections.Store(int64(n))
				if asked(in) != "" {
					io.WriteString(c, text)
				}
			}), web.Conf{})
			p, _ := w.caller()
			for i, two := range []bool{false, true} {
				client := w.http(p, two)
				answer, err := client.Post("https://"+g.addr+"/x", "text/plain", strings.NewReader("body"))
				require.NoError(t, err)
				require.Equal(t, http.StatusBadGateway, answer.StatusCode)
				require.Empty(t, answer.Header["X"])
				require.Empty(t, answer.Header["Link"])
				readAll(t, answer.Body)
				kept := g.wait(t, i+1)[i]
				require.Equal(t, []any{record.Failed, 502}, []any{kept.Outcome, kept.Status})
				require.Regexp(t, "^target: ", kept.Reason)
				require.EqualValues(t, i+1, connections.Load())
			}
		})
	}
}

// A body that turns out to be malformed, or ends before its end, is cut short for the
// caller, too, and is on record as failed.
func TestBadBodies(t *testing.T) {
	for name, text := range map[string]string{
		"bad chunk":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
		"chunk cut off": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
		"no last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"too short":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
	} {
		w := newWorld(t)
		g := w.server(w.origin(func(_ int, c net.Conn, in *bufio.Reader) {
			if asked(in) != "" {
				io.WriteString(c, text)
			}
		}), web.Conf{})
		p, _ := w.caller()
		for i, two := range []bool{false, true} {
			answer, err := w.http(p, two).Get("https://" + g.addr + "/x")
			if err == nil {
				_, err = io.ReadAll(answer.Body)
				answer.Body.Close()
			}
			require.Error(t, err, name)
			kept := g.wait(t, i+1)[i]
			require.Equal(t, record.Failed, kept.Outcome, name)
			require.Regexp(t, "^target: ", kept.Reason, name)
			require.Zero(t, kept.Response)
		}
	}
}

// What an application says that nobody asked for is not the answer to the next request,
// whoever asks that.
func TestUnasked(t *testing.T) {
	const more = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
	for name, surplus := range map[string]func(c net.Conn, answer string){
		"together": func(c net.Conn, answer string) { io.WriteString(c, answer+more) },
		"later": func(c net.Conn, answer string) {
			io.WriteString(c, answer)
			io.WriteString(c, more)
		},
		"body of a 204": func(c net.Conn, _ string) {
			io.WriteString(c, "HTTP/1.1 204 No Content\r\nContent-Length: 70\r\n\r\n"+more)
		},
	} {
		w := newWorld(t)
		said := make(chan struct{})
		g := w.server(w.origin(func(n int, c net.Conn, in *bufio.Reader) {
			for path := asked(in); path != ""; path = asked(in) {
				answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(path), path)
				if n == 1 {
					surplus(c, answer)
					close(said)
				} else {
					io.WriteString(c, answer)
				}
			}
		}), web.Conf{})
		p, _ := w.caller()
		client := w.http(p, false)
		answer, err := client.Get("https://" + g.addr + "/first")
		require.NoError(t, err)
		readAll(t, answer.Body)
		<-said
		for _, path := range []string{"/second", "/third"} {
			answer, err = client.Get("https://" + g.addr + path)
			require.NoError(t, err)
			require.Equal(t, path, readAll(t, answer.Body), name)
		}
	}
}

// An application that ends a connection between two requests costs nobody one. One that
// ends it under a request gets that again if it may come twice, and no other.
func TestStale(t *testing.T) {
	for _, tt := range []struct {
		method string
		under  bool // the second request
		status int
		times  int64 // that it arrives
	}{
		{"GET", false, 200, 1}, {"POST", false, 200, 1}, {"GET", true, 200, 2}, {"HEAD", true, 200, 2}, {"POST", true, 502, 1}, {"DELETE", true, 502, 1},
	} {
		w := newWorld(t)
		var arrived atomic.Int64
		ended := make(chan struct{})
		g := w.server(w.origin(func(n int, c net.Conn, in *bufio.Reader) {
			for path := asked(in); path != ""; path = asked(in) {
				if path == "/second" {
					if arrived.Add(1); n == 1 {
						return
					}
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				if n == 1 && !tt.under {
					c.Close()
					close(ended)
					return
				}
			}
		}), web.Conf{})
		p, _ := w.caller()
		client := w.http(p, false)
		answer, err := client.Get("https://" + g.addr + "/first")
		require.NoError(t, err)
		readAll(t, answer.Body)
		if !tt.under {
			<-ended
		}
		r, err := http.NewRequest(tt.method, "https://"+g.addr+"/second", nil)
		require.NoError(t, err)
		answer, err = client.Do(r)
		require.NoError(t, err)
		readAll(t, answer.Body)
		require.Equal(t, tt.status, answer.StatusCode, "%+v", tt)
		require.Equal(t, tt.times, arrived.Load(), "%+v", tt)
		g.wait(t, 2)
	}
}

// An application may answer before it has read the request, and end the connection: the
// caller gets the answer, and what he still sends goes nowhere.
func TestEarlyAnswer(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.origin(func(_ int, c net.Conn, in *bufio.Reader) {
		for line := "x"; line != "\r\n"; {
			var err error
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
		}
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
		c.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, in)
	}), web.Conf{})
	p, _ := w.caller()
	for i, length := range []string{"Content-Length: 100", "Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
		c := w.raw(p, g, "http/1.1")
		_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\n"+length+"\r\n\r\n5\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, 413, answer.StatusCode)
		require.Equal(t, "no!", readAll(t, answer.Body))
		kept := g.wait(t, i+1)[i]
		require.Equal(t, []any{record.Allowed, 413}, []any{kept.Outcome, kept.Status})
		require.Zero(t, kept.Request, "it did not pass whole")
	}
}

// A caller who waits for a 100 (Continue) gets it when the application wants the body, and
// not when it answers without.
func TestExpect(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		io.Copy(w, r.Body)
	}), web.Conf{})
	p, _ := w.caller()
	for path, want := range map[string]string{"/yes": "HTTP/1.1 100 Continue\r\n", "/no": "HTTP/1.1 403 Forbidden\r\n"} {
		c := w.raw(p, g, "http/1.1")
		_, err := io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
		require.NoError(t, err)
		in := bufio.NewReader(c)
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, want, line)
		if path == "/no" {
			continue
		}
		_, err = in.ReadString('\n')
		require.NoError(t, err)
		_, err = io.WriteString(c, "hello")
		require.NoError(t, err)
		answer, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, "hello", readAll(t, answer.Body))
	}
	c := w.raw(p, g, "http/1.1")
	_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 5\r\n\r\nhello")
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusExpectationFailed, answer.StatusCode)
	require.Len(t, g.wait(t, 3), 3)
}

// Early hints go on at once, and what they say is not said again by the answer.
func TestEarlyHints(t *testing.T) {
	w := newWorld(t)
	hinted := make(chan struct{})
	g := w.server(w.origin(func(_ int, c net.Conn, in *bufio.Reader) {
		asked(in)
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\nBetonica-Identity: forged\r\n\r\n")
		<-hinted
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}), web.Conf{})
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 103, answer.StatusCode)
	require.Equal(t, http.Header{"Link": {"</style.css>"}}, answer.Header)
	close(hinted)
	answer, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, "ok", readAll(t, answer.Body))
	require.Empty(t, answer.Header["Link"])
}

// While an application thinks, a caller who goes away takes his request with him: the
// application sees its connection end, and the record says who went.
func TestGoneWhileItThinks(t *testing.T) {
	w := newWorld(t)
	began := make(chan struct{})
	gone := make(chan error, 1)
	g := w.server(w.origin(func(_ int, c net.Conn, in *bufio.Reader) {
		asked(in)
		began <- struct{}{}
		_, err := in.ReadByte()
		gone <- err
	}), web.Conf{})
	p, _ := w.caller()
	for i, text := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"} {
		c := w.raw(p, g, "http/1.1")
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		<-began
		c.Close()
		require.Error(t, <-gone)
		kept := g.wait(t, i+1)[i]
		require.Equal(t, []any{record.Failed, "caller: gone"}, []any{kept.Outcome, kept.Reason})
	}
}

// A caller of HTTP/1.0 gets an answer without chunks, and may keep the connection where it
// has a length.
func TestOldCaller(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		if r.URL.Path == "/stream" {
			w.(http.Flusher).Flush()
			io.WriteString(w, " world")
		}
	}), web.Conf{})
	p, _ := w.caller()
	c := w.raw(p, g, "http/1.1")
	_, err := io.WriteString(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	require.NoError(t, err)
	in := bufio.NewReader(c)
	answer, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, "keep-alive", answer.Header.Get("Connection"))
	require.Equal(t, "hello", readAll(t, answer.Body))
	answer, err = http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Empty(t, answer.TransferEncoding)
	require.Equal(t, "hello world", readAll(t, answer.Body))
}
