package acme

import (
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/betonica/betonica/enroll"
)

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaChain   = "application/pem-certificate-chain" // RFC 8555, Section 9.1
)

// reply writes an object.
func reply(w http.ResponseWriter, status int, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	send(w, status, mediaJSON, append(body, '\n'))
	return nil
}

// send writes an answer. If the client is gone, so be it: it asks again.
func send(w http.ResponseWriter, status int, media string, body []byte) {
	h := w.Header()
	h["Content-Type"] = []string{media}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	w.Write(body)
}

// problem answers a request with what went wrong. What is our fault is logged,
// under the id that the answer carries in its header.
func (h *Handler) problem(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && r.Context().Err() == nil {
		h.Log.LogAttrs(r.Context(), slog.LevelError, "failed", slog.String("request", enroll.RequestID(r.Context())),
			slog.String("route", r.Pattern), slog.String("error", err.Error()))
	}
	header := w.Header()
	if p.retry > 0 {
		header.Set("Retry-After", seconds(p.retry))
	}
	if p.location != "" {
		header.Set("Location", p.location)
	}
	if p.terms != "" {
		header.Add("Link", link(p.terms, "terms-of-service"))
	}
	if p.Status == http.StatusRequestEntityTooLarge {
		header.Set("Connection", "close") // the rest of the body is not worth reading
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	send(w, p.Status, mediaProblem, append(body, '\n'))
}

// seconds writes a Retry-After: some clients stumble over a date.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

// linkDirectory points at the directory (RFC 8555, Section 7.1).
func (h *Handler) linkDirectory(w http.ResponseWriter, r *http.Request) {
	if base, err := h.base(r); err == nil {
		w.Header()["Link"] = []string{link(base+pathDirectory, "index")}
	}
}

// link writes one link (RFC 8288).
func link(to, rel string) string { return "<" + to + `>;rel="` + rel + `"` }
