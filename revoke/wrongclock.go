package revoke

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/store"
)

// offTurn is for how many turns a process holds back whose clock is wrong.
const offTurn = 5

// An offset is how far the database's clock is ahead of this process's, which is how
// processes that share it find out whose is wrong: lists from the future would be
// refused by every peer.
type offset struct {
	ahead atomic.Int64
	asked time.Time // of Run's goroutine
}

// askTime asks for the database's time, now and again.
func (p *Publisher) askTime(ctx context.Context) error {
	o := &p.others.offset
	if time.Since(o.asked) < lookEvery {
		return nil
	}
	ours, err := p.Clock.Now()
	if err != nil {
		return nil // it says so itself, and nothing is signed; the lists of others are served
	}
	there, err := p.time(ctx)
	if err == nil {
		o.ahead.Store(int64(there.Sub(ours)))
		o.asked = time.Now()
	}
	return err
}

// wrong says that the two clocks differ too much. If the database's is the wrong one
// they do so for every process, and all hold back: then any of them signs.
func (o *offset) wrong() error {
	by := time.Duration(o.ahead.Load())
	if by.Abs() <= maxDrift {
		return nil
	}
	return store.InTrouble(store.TroubleClock, fmt.Errorf("the clock of the database is %s ahead of this one: other daemons sign, and this one only where they do not", by.Round(time.Second)))
}

// holdsBack says that lists are better signed by another process.
func (p *Publisher) holdsBack() bool { return p.others != nil && p.others.offset.wrong() != nil }
