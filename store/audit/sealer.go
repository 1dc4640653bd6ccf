package audit

import "time"

// A Sealer makes records of events. It belongs to one goroutine, the writer.
type Sealer struct {
}

// NewSealer returns a Sealer that seals under the data key current.
func NewSealer(keys *Keys, current DataKey) *Sealer { panic("not yet") }

// Seal makes the record of e as entry seq (1 or more) at the given time. It
// changes nothing and may be repeated: a number whose transaction failed is
// sealed again. The record shares no memory with the Sealer.
//
// It returns an error if the action is malformed, the detail does not marshal,
// or the leaf would be longer than MaxLeaf; the number is then still free.
func (s *Sealer) Seal(seq int64, at time.Time, e Event) (Record, error) { panic("not yet") }
