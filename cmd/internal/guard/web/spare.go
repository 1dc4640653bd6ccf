package web

import (
	"net/http"
	"net/url"
	"sync"

	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
)

// A spare is the memory that one request of HTTP/1 takes, and after it another one, of
// whichever session. It is lent from the moment that a head is there until the answer has
// been written and the request's body was read, and given back only where another request
// may follow: then nobody has any of it who could still look at it.
type spare struct {
	request http.Request
	url     url.URL
	sized   h1.Span
	body    callerBody
	access  access
	relay   relay

	header, answer http.Header
	room, answered h1.Room // of their values
}

var spares = sync.Pool{New: func() any {
	return &spare{header: make(http.Header, 8), answer: make(http.Header, 8)}
}}

// maxKept bounds the headers that a spare has room for after a request that had more.
const maxKept = 32

// back gives it back, with nothing of the request in it.
func (e *spare) back() {
	for _, h := range []*http.Header{&e.header, &e.answer} {
		if len(*h) > maxKept {
			*h = make(http.Header, 8)
		}
		clear(*h)
	}
	e.room.Clear(maxKept)
	e.answered.Clear(maxKept)
	e.request, e.url, e.sized = http.Request{}, url.URL{}, h1.Span{}
	e.body, e.relay = callerBody{}, relay{}
	e.access.clear()
	spares.Put(e)
}
