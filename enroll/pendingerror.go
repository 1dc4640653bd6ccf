package enroll

import (
	"encoding/base64"
	"fmt"
	"math"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// A PendingError reports a machine that waits for a person's approval. It is no refusal:
// who repeats the request, with the same key, learns what became of it.
type PendingError struct {
	ID         store.RequestID
	Nonce      []byte // api.NonceSize bytes
	Code       string // api.Code of key and nonce
	RetryAfter time.Duration
	Expires    time.Time // when the request lapses
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("waits for approval until %s; the code is %s", e.Expires.UTC().Format(time.RFC3339), e.Code)
}

// Answer is what a machine is told by the native API.
func (e *PendingError) Answer() api.Pending {
	return api.Pending{
		RequestID: e.ID.String(), Nonce: base64.RawURLEncoding.EncodeToString(e.Nonce), Code: e.Code,
		PollAfter: int(math.Ceil(e.RetryAfter.Seconds())), Expires: e.Expires.UTC(),
	}
}

// A QueueError reports that too many machines wait for a person's approval.
type QueueError struct {
	RetryAfter time.Duration // at most a quarter of an hour

	whose   string
	waiting int
}

func (e *QueueError) Error() string {
	return fmt.Sprintf("%d requests %s wait for approval already; try again in %s", e.waiting, e.whose, e.RetryAfter.Round(time.Second))
}
