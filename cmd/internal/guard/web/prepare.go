package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
	"github.com/betonica/betonica/cmd/internal/record"
)

// prepare makes of the caller's request the one that the target gets. Who the caller is,
// and what is of one hop, appendHead adds.
func (x *relay) prepare() {
	r := x.r
	x.te = h1.HasToken(r.Header["Te"], "trailers")
	removeHop(r.Header)
	delete(r.Header, "Content-Length") // which appendHead writes
	delete(r.Header, "Expect")
	x.host = r.Host
	if x.gate.conf.Host != "" {
		x.host = x.gate.conf.Host
	}
	if x.host == "" {
		x.host = "target"
	}
	x.uri = uriOf(x.what.path, r)
	if r.ContentLength != 0 {
		trailer := r.Trailer.Clone()
		stripTrailer(trailer)
		x.body = &requestBody{ReadCloser: r.Body, access: x.access, in: r, trailer: trailer, left: r.ContentLength}
	}
	if x.rec.Side == record.Client && x.what.by != nil {
		if err := x.sign(r, x.host, x.uri, x.what.by); err != nil {
			x.fail("signing", err) // it goes out without: the other guard refuses it
		}
	}
}

// uriOf is a decoded path, with the query of r, as a request line has it.
func uriOf(path string, r *http.Request) string {
	n := len(path)
	if r.URL.RawQuery != "" {
		n += len("?") + len(r.URL.RawQuery)
	}
	if len(r.RequestURI) == n && strings.HasPrefix(r.RequestURI, path) && strings.Trim(path, unescaped) == "" {
		return r.RequestURI // as it would be written again
	}
	return (&url.URL{Path: path, RawQuery: r.URL.RawQuery}).RequestURI()
}

// unescaped are characters that package url leaves as they are in a path.
const unescaped = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/"

// appendHead appends the head of the request that the target gets.
func (x *relay) appendHead(b []byte) []byte {
	r := x.r
	b = append(append(append(append(b, r.Method...), ' '), x.uri...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, x.host...), "\r\n"...)
	for name, values := range r.Header {
		b = appendField(b, name, values)
	}
	if x.rec.Side == record.Server {
		b = append(b, x.peer.identity...)
	} else {
		b = append(append(append(b, headerRecord+": "...), x.rec.Number...), "\r\n"...)
	}
	if x.te {
		b = append(b, "Te: trailers\r\n"...)
	}
	switch {
	case x.what.upgrade:
		b = append(b, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	case r.ContentLength > 0:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), r.ContentLength, 10), "\r\n"...)
	case r.ContentLength < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
		for name := range x.body.trailer {
			b = append(append(append(b, "Trailer: "...), name...), "\r\n"...)
		}
	case r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		b = append(b, "Content-Length: 0\r\n"...)
	}
	if x.what.expects {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	return append(b, "\r\n"...)
}
