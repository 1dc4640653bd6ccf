package web

import (
	"context"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// logoff puts on record why the guard ended a connection while no request was under way,
// which else would have said it. It is no access, so it names no link to be paired by;
// and a route that ends is no logoff.
func (p *peer) logoff(kept context.Context) {
	reason, cut := p.link.Why()
	if !cut || reason == gate.Draining || p.told.Load() {
		return
	}
	r := p.link.Record(record.HTTP, record.Connection)
	r.Begin, r.Operation, r.Number = p.link.Begin, "close", "0"
	p.link.Ended(&r, nil)
	p.link.Keep(kept, r) // if it cannot be kept, that is in the log
}
