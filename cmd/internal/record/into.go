package record

import (
	"context"
	"sync"

	"github.com/betonica/betonica/store/audit"
)

// A Log is where entries go: a journal of package journal. Once Append has returned nil,
// the memory of e is its caller's again.
type Log interface {
	Ready() error
	Append(ctx context.Context, e audit.Event) error
}

// Into returns the Keeper that puts records into log, as events.
func Into(log Log) Keeper { return logKeeper{log} }

type logKeeper struct{ Log }

// details lends what a detail is encoded into.
var details = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

func (k logKeeper) Keep(ctx context.Context, r Record) error {
	room := details.Get().(*[]byte)
	e := r.sealable((*room)[:0])
	if err := k.Append(ctx, e); err != nil {
		return err // nobody knows who has the room
	}
	*room = e.Encoded // grown, perhaps; Clean bounds it
	details.Put(room)
	return nil
}
