package web

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// A head has ten seconds from its first byte, however often a byte more of it comes; to
// wait for the first costs nothing.
func TestSlowHead(t *testing.T) {
	for _, before := range []string{"", "GET /one HTTP/1.1\r\nHost: a\r\n\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			caller, c := net.Pipe()
			defer caller.Close()
			w := newWire(c)
			defer w.Close()
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
			read := bufio.NewReader(w)
			if before != "" {
				r, err := http.ReadRequest(read)
				require.NoError(t, err)
				require.Equal(t, "/one", r.URL.Path)
				_, _, err = w.begin()
				require.NoError(t, err)
			}
			r, err := http.ReadRequest(read)
			require.NoError(t, err)
			require.Equal(t, "refused", r.Host)
			_, _, err = w.begin()
			require.Equal(t, tooSlow, err)
			require.Equal(t, time.Hour+headTime, time.Since(began))
			_, err = read.ReadByte()
			require.ErrorIs(t, err, io.EOF)
			w.Close()
			slow.Wait()
		})
	}
}

// A connection that waits for a request holds no buffer of ours.
func TestIdleWire(t *testing.T) {
	caller, c := net.Pipe()
	defer caller.Close()
	w := newWire(c)
	defer w.Close()
	go io.WriteString(caller, "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	r, err := http.ReadRequest(bufio.NewReader(w))
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "abc", string(body))
	require.Nil(t, w.buf)
	require.Equal(t, inHead, w.phase)
}

// FuzzPath: a path that is taken is clear to the rules, too, is decoded once, and comes
// back as it was when it is encoded and decoded again.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/a/../b", "/a%2fb", "/a%20b", "/%C3%A9", "//", "/a;b", "/a%25", "/a/.", "/%2e%2e/", "/a?b=c", "/a?%zz", "http://a/b?c", "/a#b", "/\xff"} {
		f.Add(seed)
	}
	everything, err := allow.NewSet(allow.Rule{Name: "all", Peers: []string{"spiffe://td/*"}, HTTP: &allow.HTTPRule{}})
	require.NoError(f, err)
	id, err := allow.ParseID("spiffe://td/role/name")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, target string) {
		path, query, err := cleanTarget(target)
		if err != nil {
			return
		}
		_, allowed := everything.Decide(id, &allow.Request{Kind: allow.HTTP, Method: "GET", Path: path})
		require.True(t, allowed, "the rules find %q unclear", path)
		require.NotContains(t, path+query, "\n")
		for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
			require.NotContains(t, []string{".", ".."}, segment)
			require.True(t, segment != "" || path == "/")
		}
		u := url.URL{Path: path, RawQuery: query}
		again, sameQuery, err := cleanTarget(u.RequestURI())
		require.NoError(t, err, "what we forward, another guard takes")
		require.Equal(t, []string{path, query}, []string{again, sameQuery})
	})
}

// FuzzWire: whatever comes in whatever pieces, net/http reads from the wire only requests
// whose framing it and we agree on, and a malformed one is the last; nothing of a
// request's headers is one that a lenient reader would see and we do not.
func FuzzWire(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /x HTTP/1.1\r\nHost: b\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\nGET /x HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", "GET /\n\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nraw",
	} {
		f.Add([]byte(seed), byte(3))
	}
	f.Fuzz(func(t *testing.T, sent []byte, piece byte) {
		w := newWire(&pieces{rest: sent, most: int(piece) + 1})
		read := bufio.NewReader(w)
		for n := int64(1); ; n++ {
			r, err := http.ReadRequest(read)
			if err != nil {
				require.True(t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), "%v of %q", err, sent)
				return
			}
			if w.phase == inRaw && !w.granted.Load() {
				return // HTTP/2
			}
			number, upgrade, bad := w.begin()
			require.Equal(t, n, number)
			if bad != nil {
				require.Equal(t, "refused", r.Host)
				_, err := read.ReadByte()
				require.ErrorIs(t, err, io.EOF)
				return
			}
			require.NotContains(t, []string{"TRACE", "CONNECT"}, r.Method)
			require.Less(t, len(r.TransferEncoding), 2)
			_, err = cleanPath(strings.SplitN(originForm(r.RequestURI), "?", 2)[0])
			require.NoError(t, err)
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			if r.ContentLength >= 0 {
				require.EqualValues(t, r.ContentLength, len(body))
				require.True(t, bytes.Contains(sent, body))
			}
			if upgrade {
				w.granted.Store(true)
				return
			}
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
