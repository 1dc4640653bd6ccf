package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// A refusal is an answer of the guard's own.
type refusal struct {
	status int
	grpc   int    // status of gRPC that says the same
	detail string // for the caller; never about rules
	close  bool   // the connection, too; of HTTP/2 only where nothing goes on
}

var (
	forbidden    = refusal{status: http.StatusForbidden, grpc: 7}
	unkept       = refusal{status: http.StatusServiceUnavailable, grpc: 14, close: true}
	unsigned     = refusal{status: http.StatusUnauthorized, grpc: 16}
	unreachable  = refusal{status: http.StatusBadGateway, grpc: 14}
	unresponsive = refusal{status: http.StatusGatewayTimeout, grpc: 4}
)

// malformed is the refusal of a bad shape.
func malformed(err error) refusal {
	r := refusal{status: http.StatusBadRequest, grpc: 13, detail: err.Error(), close: true}
	switch err {
	case h1.TooLarge:
		r.status = http.StatusRequestHeaderFieldsTooLarge
	case badExpect:
		r.status = http.StatusExpectationFailed
	case tooSlow:
		r.status = http.StatusRequestTimeout
	case errForm, errSigned:
		r.status = http.StatusRequestEntityTooLarge
	}
	return r
}

// write answers with a problem (RFC 9457), or a caller of gRPC in trailers only (gRPC
// over HTTP2, "Responses").
func (f refusal) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if f.close && (r.ProtoMajor < 2 || f == unkept) {
		h.Set("Connection", "close")
	}
	h.Set("Cache-Control", "no-store")
	if isGRPC(r) {
		h.Set("Content-Type", "application/grpc")
		h.Set("Grpc-Status", strconv.Itoa(f.grpc))
		h.Set("Grpc-Message", http.StatusText(f.status))
		w.WriteHeader(http.StatusOK)
		return
	}
	h.Set("Content-Type", "application/problem+json")
	body := f.body(r)
	if body != nil {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(f.status)
	w.Write(body)
}

// body returns the problem as JSON; nil where the answer has none.
func (f refusal) body(r *http.Request) []byte {
	if r.Method == http.MethodHead || isGRPC(r) {
		return nil
	}
	body, _ := json.Marshal(struct { // of which every value can be marshalled
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail,omitempty"`
	}{"about:blank", http.StatusText(f.status), f.status, f.detail})
	return body
}

func isGRPC(r *http.Request) bool {
	kind := r.Header.Get("Content-Type")
	return r.ProtoMajor == 2 && (kind == "application/grpc" || strings.HasPrefix(kind, "application/grpc+") || strings.HasPrefix(kind, "application/grpc;"))
}
