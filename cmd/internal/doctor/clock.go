package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// How far clocks may part: beyond most the daemon signs nothing about revocation.
const (
	mostDrift = 5 * time.Minute
	someDrift = 5 * time.Second
)

// clock tells whether the wall clock is where the store, the daemon and the kernel
// think that it should be.
func clock(ctx context.Context, c *Case) []Finding {
	do := store.TroubleClock.Remedy()
	var found []Finding
	switch synchronized, err := server.ClockSynchronized(); {
	case err != nil:
		found = append(found, skip("the kernel's clock: %v", err))
	case !synchronized:
		found = append(found, warn("run a time service such as chrony or systemd-timesyncd", "the kernel says that nothing keeps its clock right"))
	}
	if d := c.Daemon; d != nil {
		switch drift, known := d.seconds("betonica_clock_drift_seconds"); {
		case known && drift.Abs() > mostDrift:
			found = append(found, fail(do, "%s: it has moved by %s since the daemon was started", string(store.TroubleClock), drift.Round(time.Second)))
		case known && drift.Abs() > someDrift:
			found = append(found, warn("see what sets it; beyond 5 minutes nothing about revocation is signed", "the clock has moved by %s since the daemon was started", drift.Round(time.Second)))
		}
	}
	found = append(found, newest(ctx, c)...)
	return orOK(found, "kept right by the kernel's word, and behind nothing that is on record")
}

// newest holds the clock against the newest entry of the log.
func newest(ctx context.Context, c *Case) []Finding {
	i, _ := inspect(ctx, c)
	if i == nil {
		return []Finding{skip("there is no store to hold the clock against")}
	}
	defer i.Close()
	at, seq, err := i.Newest(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return []Finding{c.broken(err)}
	}
	switch behind := at.Sub(c.Now()); {
	case behind > mostDrift:
		return []Finding{fail(store.TroubleClock.Remedy(), "%s: it is %s behind entry %d of the log", string(store.TroubleClock), behind.Round(time.Second), seq)}
	case behind > someDrift:
		return []Finding{warn(store.TroubleClock.Remedy(), "the clock is %s behind entry %d of the log", behind.Round(time.Second), seq)}
	}
	return nil
}
