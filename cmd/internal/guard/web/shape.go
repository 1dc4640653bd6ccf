package web

import (
	"net/http"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// clean judges what is left to judge of a request that net/http could read, whichever
// protocol it came by, and strips from it what only the guard may say. It returns the
// decoded path.
func clean(r *http.Request) (path string, err error) {
	if !isMethod(r.Method) {
		return "", badMethod
	}
	if hosts := r.Header["Host"]; len(hosts) > 1 || len(hosts) == 1 && hosts[0] != r.Host { // beside :authority (RFC 9113, Section 8.3.1)
		return "", badHost
	}
	delete(r.Header, "Host")
	if !isHost(r.Host) && (r.Host != "" || r.ProtoAtLeast(1, 1)) {
		return "", badHost
	}
	if r.ProtoMajor == 2 && (r.RequestURI == "" || r.RequestURI[0] != '/') {
		return "", badTarget
	}
	if lengths := r.Header["Content-Length"]; len(lengths) > 0 { // of HTTP/2; the wire has seen to others
		if n, ok := h1.ParseLength(lengths[0]); !ok || len(lengths) > 1 || n != r.ContentLength {
			return "", badLength
		}
	}
	path, query, err := cleanTarget(r.RequestURI)
	if err != nil {
		return "", err
	}
	if path != r.URL.Path || query != r.URL.RawQuery {
		return "", badPath // net/http reads it otherwise than we do
	}
	strip(r.Header)
	return path, nil
}
