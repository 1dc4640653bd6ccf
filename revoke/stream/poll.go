package stream

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// pollFor is how long a poll waits for news: less than proxies wait for an answer,
// which is 30 s or more with all that we know of.
const pollFor = 25 * time.Second

// NumberHeader says in an answer to a poll which CRL number it has.
const NumberHeader = "Betonica-CRL-Number"

// ServePoll answers GET .../poll?after=N with the newest delta in DER as soon as
// its CRL number is greater than N, and with 204 after 25 seconds without one: ask
// again at once. It is for those behind a proxy that holds streams back, and says
// the same bytes; a delta that the stream only points to comes whole. Without
// after the newest delta comes at once.
//
// An N above our newest number is another replica's, with which we catch up first (see
// [Hub.CatchUp]), or from before a restore: then the answer is the next delta that is
// published, unless that is N, so that asking in a loop costs no more than the stream.
func (h *Hub) ServePoll(w http.ResponseWriter, r *http.Request) {
	if !onlyGet(w, r) {
		return
	}
	after, err := afterOf(r)
	if err != nil || after < 0 {
		http.Error(w, "after is a CRL number", http.StatusBadRequest)
		return
	}
	leave, closed, err := h.join(r.RemoteAddr)
	if err != nil {
		refuse(w, err)
		return
	}
	defer leave()
	out := http.NewResponseController(w)
	if out.SetReadDeadline(time.Time{}) != nil || out.SetWriteDeadline(time.Time{}) != nil {
		http.Error(w, "this server cannot wait", http.StatusInternalServerError)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pollFor)
	defer cancel()
	var e *Event
	if h.caughtUp(ctx, after, closed) {
		e = h.await(ctx, after, closed)
	}
	if out.SetWriteDeadline(time.Now().Add(patience)) != nil {
		return
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if e == nil {
		header.Set("Retry-After", "0")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	header.Set("Content-Type", "application/pkix-crl") // RFC 2585, Section 4.2
	header.Set("Content-Length", strconv.Itoa(len(e.der)))
	header.Set(NumberHeader, strconv.FormatInt(e.number, 10))
	w.Write(e.der) // if the caller is gone, so be it
}

// await returns the event that a poll is for, or nil if none came.
func (h *Hub) await(ctx context.Context, after int64, closed <-chan struct{}) *Event {
	e, changed := h.now()
	if e != nil && e.number > after {
		return e
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-closed:
			return nil
		case <-changed:
		}
		if e, changed = h.now(); e.number != after {
			return e
		}
	}
}

func afterOf(r *http.Request) (int64, error) {
	text := r.URL.Query().Get("after")
	if text == "" {
		return 0, nil
	}
	return strconv.ParseInt(text, 10, 64)
}
