package record

import (
	"context"

	"github.com/betonica/betonica/store/audit"
)

// A Log is where entries go: a journal of package journal.
type Log interface {
	Ready() error
	Append(ctx context.Context, e audit.Event) error
}

// Into returns the Keeper that puts records into log, as events.
func Into(log Log) Keeper { return logKeeper{log} }

type logKeeper struct{ Log }

func (k logKeeper) Keep(ctx context.Context, r Record) error { return k.Append(ctx, r.sealable()) }
