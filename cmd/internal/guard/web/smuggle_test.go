package web_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// raw connects by mutual TLS and speaks for itself.
func (w *world) raw(p *peer.Peer, g *guard, proto string) *tls.Conn {
	everyone, err := allow.ParsePeers(peertest.Everyone)
	require.NoError(w, err)
	c, err := p.DialExpecting(w.Context(), "tcp", g.addr, peer.Expectation{Allow: everyone, IDOnly: true, NextProtos: []string{proto}})
	require.NoError(w, err)
	w.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

// What can be read in two ways does not reach the application: it is a 400 and the end of
// the connection, with a record, and what was pipelined behind it is not read.
func TestSmuggling(t *testing.T) {
	w := newWorld(t)
	var reached atomic.Int64
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		if r.TransferEncoding == nil { // a body may begin to go through
			reached.Add(1)
		}
		io.Copy(io.Discard, r.Body)
	}), web.Conf{})
	p, _ := w.caller()
	long := strings.Repeat("x", 70<<10)
	for name, text := range map[string]string{
		"obs-fold":               "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
		"obs-fold first":         "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
		"two lengths":            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
		"different lengths":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"listed lengths":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
		"signed length":          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
		"hex length":             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx",
		"empty length":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
		"endless length":         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"length and chunks":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and length":      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"two codings":            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"gzip, chunked":          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"identity":               "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
		"xchunked":               "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"chunked of HTTP/1.0":    "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"Transfer_Encoding":      "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
		"Content_Length":         "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
		"bare LF":                "GET / HTTP/1.1\nHost: a\n\n",
		"one bare LF":            "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
		"bare LF at the end":     "GET / HTTP/1.1\r\nHost: a\r\n\n",
		"bare CR":                "GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n",
		"NUL":                    "GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
		"empty line first":       "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"absolute, other host":   "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"absolute, user":         "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n",
		"absolute, no path":      "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
		"other scheme":           "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"space before colon":     "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"space in name":          "GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n",
		"no colon":               "GET / HTTP/1.1\r\nHost: a\r\nXY\r\n\r\n",
		"empty name":             "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n",
		"two hosts":              "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
		"no host":                "GET / HTTP/1.1\r\n\r\n",
		"bad host":               "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"listed hosts":           "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
		"empty host":             "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"TRACE":                  "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT":                "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
		"asterisk":               "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"small letters":          "get / HTTP/1.1\r\nHost: a\r\n\r\n",
		"HTTP/0.9":               "GET /\r\n\r\n",
		"HTTP/2.0":               "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
		"HTTP/1.2":               "GET / HTTP/1.2\r\nHost: a\r\n\r\n",
		"two spaces":             "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"tab":                    "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
		"not ASCII":              "GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
		"%2f":                    "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
		"%5C":                    "GET /a%5Cb HTTP/1.1\r\nHost: a\r\n\r\n",
		"%00":                    "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n",
		"%0d%0a":                 "GET /a%0d%0ab HTTP/1.1\r\nHost: a\r\n\r\n",
		"%ff":                    "GET /a%ff HTTP/1.1\r\nHost: a\r\n\r\n",
		"%zz":                    "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n",
		"%252f":                  "GET /a%252fb HTTP/1.1\r\nHost: a\r\n\r\n",
		"..":                     "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n",
		"%2e%2e":                 "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n",
		"//":                     "GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
		"// at the end":          "GET /a// HTTP/1.1\r\nHost: a\r\n\r\n",
		";":                      "GET /a;b HTTP/1.1\r\nHost: a\r\n\r\n",
		"%3b":                    "GET /a%3bb HTTP/1.1\r\nHost: a\r\n\r\n",
		"backslash":              "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
		"fragment":               "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
		"bad chunk size":         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
		"0x chunk size":          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		"bare LF in a chunk":     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
		"bare LF after a chunk":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n",
		"LF in an extension":     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n",
		"endless extension":      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + long + "\r\na\r\n0\r\n\r\n",
		"no CR LF after a chunk": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
		"length as trailer":      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n",
		"folded trailer":         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n 2\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			g.set(func(k *records) { k.all = nil })
			c := w.raw(p, g, "http/1.1")
			go io.WriteString(c, text+"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n")
			answers := bufio.NewReader(c)
			answer, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusBadRequest, answer.StatusCode)
			require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
			readAll(t, answer.Body)
			_, err = answers.ReadByte()
			require.Error(t, err, "the connection ends")
			kept := g.wait(t, 1)[0]
			require.Equal(t, record.Refused, kept.Outcome)
			require.Equal(t, 400, kept.Status)
			require.Zero(t, reached.Load(), "it reached the application")
		})
	}
}

// Headers have a size and a connection's requests are judged one by one, however they are
// cut into packets.
func TestHeads(t *testing.T) {
	w := newWorld(t)
	g := w.server(w.application(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(append([]byte(r.URL.Path+" "), body...))
	}), web.Conf{})
	p, _ := w.caller()

	c := w.raw(p, g, "http/1.1")
	go io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX: "+strings.Repeat("x", 65<<10)+"\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)

	text := "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" +
		"POST /two HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;ext=1\r\ndef\r\n2\r\ngh\r\n0\r\nX: y\r\n\r\n" +
		"GET http://a/three?q HTTP/1.1\r\nHost: a\r\n\r\n" +
		"GET /bad/../four HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, piece := range []int{1, 7, len(text)} {
		c := w.raw(p, g, "http/1.1")
		go func() {
			for rest := text; rest != ""; {
				n := min(piece, len(rest))
				if _, err := io.WriteString(c, rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		answers := bufio.NewReader(c)
		for _, want := range []string{"/one abc", "/two defgh", "/three "} {
			answer, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			require.Equal(t, want, readAll(t, answer.Body))
		}
		answer, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		require.Equal(t, 400, answer.StatusCode)
	}
}
