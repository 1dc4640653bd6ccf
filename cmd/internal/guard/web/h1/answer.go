package h1

import (
	"net/http"
	"strings"
)

// An Answer is what the framing of a response hangs on (RFC 9112, Section 6.3).
type Answer struct {
	Status  int
	Length  int64 // of the body, if it has one; -1: until Chunked or the connection ends
	Chunked bool
	Keep    bool // the connection can have another request after it
}

// ParseAnswer reads the head of a response and adds its headers to h. It returns a
// [Shape] for what somebody else might read otherwise; then h holds a part of it.
func ParseAnswer(b []byte, h http.Header) (Answer, error) { return new(Room).ParseAnswer(b, h) }

// ParseAnswer is [ParseAnswer], with the values in r: those of the head before are gone.
func (r *Room) ParseAnswer(b []byte, h http.Header) (Answer, error) {
	first, err := r.Parse(b, h)
	if err != nil {
		return Answer{}, err
	}
	version, rest, _ := strings.Cut(first, " ")
	old := version == "HTTP/1.0"
	if !old && version != "HTTP/1.1" || len(rest) < 3 || len(rest) > 3 && rest[3] != ' ' {
		return Answer{}, BadStatus
	}
	a := Answer{}
	for i := range 3 {
		c := rest[i]
		if c < '0' || c > '9' {
			return Answer{}, BadStatus
		}
		a.Status = 10*a.Status + int(c-'0')
	}
	if a.Status < 100 {
		return Answer{}, BadStatus
	}
	if a.Length, a.Chunked, err = Framing(h, old); err != nil {
		return Answer{}, err
	}
	a.Keep = !old && !HasToken(h["Connection"], "close")
	return a, nil
}

// Bodiless reports whether the answer to a method has no body, whatever its headers say.
func (a Answer) Bodiless(method string) bool {
	return method == http.MethodHead || a.Status < 200 || a.Status == http.StatusNoContent || a.Status == http.StatusNotModified
}
