package stream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/betonica/betonica/revoke/crl"
)

// MaxEvent is how long a delta may be to stand in an event itself, in bytes of
// DER: it makes 64 KiB on the wire.
const MaxEvent = 48 << 10

// An Event is one delta, ready to be written. It never changes, and is shared by
// all subscribers.
type Event struct {
	number  int64
	der     []byte
	revoked []byte // in der
	text    []byte // as a server-sent event
}

// NewDelta returns the event of a delta with this CRL number and base CRL number.
// One of more than limit bytes (0: [MaxEvent]) is announced on the stream by a
// [Pointer]. The caller must not change der afterwards.
func NewDelta(number, base int64, der []byte, limit int) *Event {
	if limit == 0 {
		limit = MaxEvent
	}
	kind, data := "delta", base64.StdEncoding.EncodeToString(der)
	if len(der) > limit {
		kind, data = "pointer", pointer(number, base, der)
	}
	revoked, err := crl.Revoked(der)
	if err != nil {
		revoked = der // whatever it is, no other says the same
	}
	return &Event{number, der, revoked, fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", number, kind, data)}
}

// Number is the delta's CRL number, and DER its bytes, which must not be changed.
func (e *Event) Number() int64 { return e.number }
func (e *Event) DER() []byte   { return e.der }

// A Pointer is sent in place of a delta that is too long for the stream: fetch
// delta.crl, and full.crl if Base is newer than the full list that is held. A
// peer waits a random moment first, since all are told at once.
type Pointer struct {
	Number int64  `json:"number"`
	Base   int64  `json:"base"`
	SHA256 string `json:"sha256"` // of the delta in DER, in hex
	Size   int    `json:"size"`   // bytes
}

func pointer(number, base int64, der []byte) string {
	sum := sha256.Sum256(der)
	text, err := json.Marshal(Pointer{Number: number, Base: base, SHA256: hex.EncodeToString(sum[:]), Size: len(der)})
	if err != nil {
		panic(err) // numbers and text always marshal
	}
	return string(text)
}
