package web

import "time"

// standIn is what net/http reads instead of a request that is refused as malformed.
const standIn = "GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n"

// refuse puts the stand-in in the place of the head that is coming. Nothing after it is
// read.
func (w *wire) refuse(bad error) error {
	w.setLimit(time.Time{})
	w.read++
	w.mu.Lock()
	w.badAt, w.bad = w.read, bad
	w.mu.Unlock()
	w.buf, w.pass, w.seen = []byte(standIn), len(standIn), 0
	w.phase = inDead
	return nil
}

// begin counts a request that the handler begins, and says what is wrong with its head
// and whether it asks for a WebSocket. Requests of HTTP/1 come one after the other.
func (w *wire) begin() (number int64, upgrade bool, err error) {
	number = w.served.Add(1)
	err = w.refused(number)
	w.mu.Lock()
	defer w.mu.Unlock()
	return number, w.upgrade == number, err
}

// refused says what is wrong with a request so far.
func (w *wire) refused(number int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.badAt == number {
		return w.bad
	}
	return nil
}
