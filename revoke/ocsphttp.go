package revoke

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/revoke/ocsp"
)

var (
	errTooLong   = errors.New("the request is longer than 10 KiB")
	responseType = []string{ocsp.ResponseType}
	noStore      = []string{"no-store"}
)

// ServeHTTP answers POST /ocsp and GET /ocsp/{base64 of the request} (RFC 6960,
// Appendix A.1).
func (s *Responder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var der []byte
	var err error
	switch r.Method {
	case http.MethodPost:
		der, err = readRequest(r)
	case http.MethodGet, http.MethodHead:
		der, err = fromPath(r.URL)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		refuse(w, http.StatusMethodNotAllowed, ocsp.Malformed)
		return
	}
	if errors.Is(err, errTooLong) {
		refuse(w, http.StatusRequestEntityTooLarge, ocsp.Malformed)
		return
	}
	var req *ocsp.Request
	if err == nil {
		req, err = ocsp.ParseRequest(der, maxAsked)
	}
	if err != nil {
		refuse(w, http.StatusOK, ocsp.Malformed)
		return
	}
	a, status := s.answer(r.Context(), req)
	if a == nil {
		refuse(w, http.StatusOK, status)
		return
	}
	now, err := s.Clock.Now()
	if err != nil {
		refuse(w, http.StatusOK, ocsp.TryLater)
		return
	}
	write(w, r, a, now)
}

// write sends an answer with the headers of RFC 9919, Section 7.2, which forbids
// no-store and no-cache for all that is signed: an answer with a nonce, too, is only
// found again by who asks with that nonce.
func write(w http.ResponseWriter, r *http.Request, a *answer, now time.Time) {
	h := w.Header()
	h["Content-Type"] = responseType
	h["Cache-Control"] = []string{"max-age=" + strconv.Itoa(maxAge(now, a.until)) + ", public, no-transform, must-revalidate"}
	h["Etag"], h["Last-Modified"], h["Expires"] = a.etag, a.modified, a.expires
	if r.Method != http.MethodPost && matches(r.Header["If-None-Match"], a.etag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Length"] = a.length
	if r.Method != http.MethodHead {
		w.Write(a.body) // a caller that went away needs no answer
	}
}

// maxAge is for how many seconds an answer may be kept: it is over before nextUpdate
// is there.
func maxAge(now, nextUpdate time.Time) int {
	return max(0, int((nextUpdate.Sub(now)-1)/time.Second))
}

// matches reports whether an If-None-Match names the ETag (RFC 9110, Section 13.1.2,
// by the weak comparison).
func matches(fields []string, etag string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// refuse sends one of the answers of five bytes, which nobody signs (RFC 6960,
// Section 4.2.1). The status is 200 wherever the protocol itself can say what is
// wrong: clients throw other bodies away.
func refuse(w http.ResponseWriter, code int, status ocsp.ErrorStatus) {
	h := w.Header()
	h["Content-Type"] = responseType
	h["Cache-Control"] = noStore
	body := status.Response()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	w.Write(body)
}

// readRequest reads at most [ocsp.MaxRequest] bytes.
func readRequest(r *http.Request) ([]byte, error) {
	if r.ContentLength > ocsp.MaxRequest {
		return nil, errTooLong
	}
	if n := r.ContentLength; n >= 0 {
		der := make([]byte, n)
		_, err := io.ReadFull(r.Body, der)
		return der, err
	}
	der, err := io.ReadAll(io.LimitReader(r.Body, ocsp.MaxRequest+1))
	if len(der) > ocsp.MaxRequest {
		return nil, errTooLong
	}
	return der, err
}

// fromPath decodes the request in a path. Clients differ in what they escape: the
// base64 may have raw '/', '+' (or the blank that a proxy made of it), even "//". It
// never begins with '/', which is there if the responder's URL was taken to end in one.
func fromPath(u *url.URL) ([]byte, error) {
	text, err := url.PathUnescape(strings.TrimLeft(strings.TrimPrefix(u.EscapedPath(), "/ocsp"), "/"))
	if err != nil {
		return nil, err
	}
	if len(text) > base64.StdEncoding.EncodedLen(ocsp.MaxRequest) {
		return nil, errTooLong
	}
	text = strings.TrimRight(strings.ReplaceAll(text, " ", "+"), "=")
	return base64.RawStdEncoding.DecodeString(text)
}
