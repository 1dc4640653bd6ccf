package web_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/betonica/betonica/cmd/internal/guard/web"
	"github.com/betonica/betonica/cmd/internal/record"
)

// What is odd in HTTP/2 does not reach the application either: it is a 400, or an error
// of the stream.
func TestSmugglingHTTP2(t *testing.T) {
	w := newWorld(t)
	var reached atomic.Int64
	g := w.server(w.application(func(http.ResponseWriter, *http.Request) { reached.Add(1) }), web.Conf{})
	p, _ := w.caller()
	plain := []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"}
	with := func(name, value string) []string {
		all := append([]string(nil), plain...)
		for i := 0; i < len(all); i += 2 {
			if all[i] == name {
				all[i+1] = value
				return all
			}
		}
		return append(all, name, value)
	}
	for name, tt := range map[string]struct {
		headers []string
		status  string // "": the stream or the connection ends
	}{
		"plain":               {plain, "200"},
		"absolute path":       {with(":path", "http://b/"), "400"},
		"//":                  {with(":path", "//b"), "400"},
		"%2f":                 {with(":path", "/a%2fb"), "400"},
		"..":                  {with(":path", "/a/../b"), "400"},
		"backslash":           {with(":path", "/a\\b"), "400"},
		"fragment":            {with(":path", "/a#b"), "400"},
		"other host":          {with("host", "b"), "400"},
		"same host":           {with("host", "a"), "200"},
		"user in authority":   {with(":authority", "x@a"), ""},
		"path in authority":   {with(":authority", "a/b"), "400"},
		"TRACE":               {with(":method", "TRACE"), "400"},
		"small letters":       {with(":method", "get"), "400"},
		"empty path":          {with(":path", ""), ""},
		"asterisk":            {with(":path", "*"), "400"},
		"connection":          {with("connection", "close"), "400"},
		"transfer-encoding":   {with("transfer-encoding", "chunked"), "400"},
		"capital":             {with("X-Capital", "1"), ""},
		"line end in a value": {with("x", "a\r\nb: c"), ""},
		"second path":         {append(append([]string(nil), plain...), ":path", "/b"), ""},
		"pseudo-header late":  {append([]string{"x", "y"}, plain...), ""},
		"unknown pseudo":      {with(":protocol", "websocket"), ""},
		"length without body": {with("content-length", "5"), "400"},
		"no length":           {with("content-length", "+0"), "400"},
		"two lengths":         {append(with("content-length", "0"), "content-length", "1"), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			g.set(func(k *records) { k.all = nil })
			reached.Store(0)
			c := w.raw(p, g, "h2")
			_, err := io.WriteString(c, http2.ClientPreface)
			require.NoError(t, err)
			framer := http2.NewFramer(c, c)
			framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			require.NoError(t, framer.WriteSettings())
			var block bytes.Buffer
			encoder := hpack.NewEncoder(&block)
			for i := 0; i < len(tt.headers); i += 2 {
				require.NoError(t, encoder.WriteField(hpack.HeaderField{Name: tt.headers[i], Value: tt.headers[i+1]}))
			}
			require.NoError(t, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
			status := ""
			for {
				frame, err := framer.ReadFrame()
				if err != nil {
					break
				}
				if h, ok := frame.(*http2.MetaHeadersFrame); ok {
					status = h.PseudoValue("status")
					break
				}
				if f := frame.Header().Type; f == http2.FrameRSTStream || f == http2.FrameGoAway {
					break
				}
			}
			require.Equal(t, tt.status, status)
			require.Equal(t, status == "200", reached.Load() == 1)
			if status == "400" && !strings.Contains("connection transfer-encoding", name) { // those net/http answers by itself
				require.Equal(t, record.Refused, g.wait(t, 1)[0].Outcome)
			}
		})
	}
}
