package stream

import (
	"bytes"
	"net/http"
	"strconv"
	"time"
)

// ServeSSE pushes each delta as a server-sent event (WHATWG HTML, Section 9.2):
// "delta" with the base64 of its DER, or "pointer" with a [Pointer]. The id is the
// CRL number; a client that comes back with it in Last-Event-ID gets the newest
// delta at once unless it has that one; an id above the newest, from before a
// restore, changes nothing, but that we catch up first with other replicas (see
// [Hub.CatchUp]). Who does not take an event within ten seconds is cut.
//
// With ?every=N, seconds, a delta that revokes the same as the one that was sent last is
// left out until so much time has passed: for those to whom a list's age means nothing.
func (h *Hub) ServeSSE(w http.ResponseWriter, r *http.Request) {
	if !onlyGet(w, r) {
		return
	}
	leave, closed, err := h.join(r.RemoteAddr)
	if err != nil {
		refuse(w, err)
		return
	}
	defer leave()
	seen, _ := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64)
	every, _ := strconv.Atoi(r.URL.Query().Get("every")) // what is none leaves nothing out
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // to an nginx between us
	out := http.NewResponseController(w)
	// A stream has no end; the server's own deadlines are for requests that have.
	if out.SetReadDeadline(time.Time{}) != nil || out.SetWriteDeadline(time.Now().Add(patience)) != nil || out.Flush() != nil {
		return
	}
	if !h.caughtUp(r.Context(), seen, closed) {
		return
	}
	var sent *Event
	var at time.Time
	for {
		e, changed := h.now()
		if e != nil && e.number != seen {
			seen = e.number
			if sent != nil && bytes.Equal(e.revoked, sent.revoked) && time.Since(at) < time.Duration(every)*time.Second {
				continue
			}
			if out.SetWriteDeadline(time.Now().Add(patience)) != nil {
				return
			}
			if _, err := w.Write(e.text); err != nil || out.Flush() != nil {
				return
			}
			sent, at = e, time.Now()
			continue // there may be a newer one by now
		}
		select {
		case <-r.Context().Done():
			return
		case <-closed:
			return
		case <-changed:
		}
	}
}

func onlyGet(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet {
		return true
	}
	w.Header().Set("Allow", "GET")
	http.Error(w, "only GET", http.StatusMethodNotAllowed)
	return false
}
