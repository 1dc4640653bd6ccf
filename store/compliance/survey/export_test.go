package survey

import (
	"encoding/json"
	"fmt"

	"github.com/betonica/betonica/store/audit"
)

// KeyKind is keyKind.
func KeyKind(der []byte) (string, bool) { return keyKind(der) }

// ReadAccess returns what is read of a record that says text, and what package
// encoding/json alone reads; scanned is false where it has to.
func ReadAccess(text []byte) (read, decoded string, scanned bool) {
	var a, b access
	scanned = new(access).scan(text)
	if a.read(audit.Entry{Event: audit.Event{Action: "access.request"}}, text) {
		read = fmt.Sprintf("%#v", a)
	}
	b.kind = "request"
	if json.Unmarshal(text, &b) == nil {
		decoded = fmt.Sprintf("%#v", b)
	}
	return read, decoded, scanned
}

// NewProgress returns what adds to a progress.
func NewProgress(total int64, tell func(done, total int64)) func(n int64) {
	p := &progress{total: total, tell: tell}
	return p.add
}
