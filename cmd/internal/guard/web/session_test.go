package web

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// A head has ten seconds from its first byte, however often a byte more of it comes; to
// wait for the first costs nothing.
func TestSlowHead(t *testing.T) {
	for _, before := range []string{"", "GET /one HTTP/1.1\r\nHost: a\r\n\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			caller, c := net.Pipe()
			defer caller.Close()
			s := newSession(t.Context(), New(Conf{}), newWire(c))
			defer s.wire.Close()
			var slow sync.WaitGroup
			slow.Go(func() {
				time.Sleep(time.Hour)
				io.WriteString(caller, before+"GET /two HT")
				for {
					time.Sleep(time.Second)
					if _, err := caller.Write([]byte("x")); err != nil {
						return
					}
				}
			})
			began := time.Now()
			if before != "" {
				require.True(t, s.wait())
				b, err := s.head(true)
				require.NoError(t, err)
				require.Equal(t, before, string(b))
			}
			require.True(t, s.wait())
			_, err := s.head(before == "")
			require.Equal(t, tooSlow, err)
			require.Equal(t, time.Hour+headTime, time.Since(began))
			s.wire.Close()
			slow.Wait()
		})
	}
}

// So it is with the preface of HTTP/2, which is told from a request at the first byte
// that differs, in whatever pieces it comes.
func TestPreface(t *testing.T) {
	for _, piece := range []int{1, 7, 100} {
		for text, two := range map[string]bool{preface + "more": true, "PRI * HTTP/2.1\r\n\r\n": false, "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n": false} {
			c := &pieces{rest: []byte(text), most: piece}
			s := newSession(t.Context(), New(Conf{}), newWire(c))
			require.True(t, s.wait())
			b, err := s.head(true)
			require.Equal(t, two, err == errHTTP2)
			if two {
				s.wire.lead = b
				all, err := io.ReadAll(s.wire)
				require.NoError(t, err)
				require.Equal(t, text, string(all))
			} else {
				require.NoError(t, err)
				require.Equal(t, text, string(b))
			}
		}
	}
}

// A connection that waits for a request holds one small buffer, however long the heads
// before were.
func TestIdleSession(t *testing.T) {
	long := "GET / HTTP/1.1\r\nHost: a\r\nX: " + string(bytes.Repeat([]byte("x"), 60<<10)) + "\r\n\r\n"
	s := newSession(t.Context(), New(Conf{}), newWire(&pieces{rest: []byte(long), most: 1000}))
	require.True(t, s.wait())
	b, err := s.head(true)
	require.NoError(t, err)
	require.Len(t, b, len(long))
	s.in.Rest()
	require.Equal(t, readBuffer, s.in.Size())
	require.Nil(t, s.answer.block)
}

// FuzzRequests: whatever comes in whatever pieces, what we take for a request net/http
// takes for the same one: method, target, host, headers and body, one after the other.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /x HTTP/1.1\r\nHost: b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nGET /x HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", "GET /\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
		"GET http://a/%20?q HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
	} {
		f.Add([]byte(seed), byte(3))
	}
	g := New(Conf{})
	f.Fuzz(func(t *testing.T, sent []byte, piece byte) {
		s := newSession(t.Context(), g, newWire(&pieces{rest: sent, most: int(piece) + 1}))
		theirs := bufio.NewReader(bytes.NewReader(sent))
		for first := true; s.wait(); first = false {
			b, err := s.head(first)
			if err != nil {
				return
			}
			h, err := parseHead(b)
			if err != nil {
				return
			}
			r := new(http.Request)
			h.request(r)
			want, err := http.ReadRequest(theirs)
			require.NoError(t, err)
			require.Equal(t, []any{want.Method, want.RequestURI, want.Host, want.ContentLength, want.ProtoMinor}, []any{r.Method, r.RequestURI, r.Host, r.ContentLength, r.ProtoMinor})
			require.Equal(t, want.URL.Path, r.URL.Path)
			require.Equal(t, want.URL.RawQuery, r.URL.RawQuery)
			for name, values := range r.Header {
				if name != "Content-Length" && name != "Transfer-Encoding" && name != "Pragma" && name != "Cache-Control" {
					require.Equal(t, want.Header[name], values)
				}
			}
			_, err = clean(r)
			require.NoError(t, err)
			require.NotContains(t, []string{"TRACE", "CONNECT"}, r.Method)
			if h.upgrade {
				return
			}
			body := h1.Sized(s.in, h.length)
			if h.length < 0 {
				body = h1.Chunked(s.in)
			}
			got, err := io.ReadAll(body)
			if err != nil {
				return
			}
			wanted, err := io.ReadAll(want.Body)
			require.NoError(t, err)
			require.Equal(t, wanted, got)
		}
	})
}

// pieces is a connection on which bytes come in pieces.
type pieces struct {
	net.Conn
	rest []byte
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.most, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(time.Time) error { return nil }
func (p *pieces) Close() error                    { return nil }
