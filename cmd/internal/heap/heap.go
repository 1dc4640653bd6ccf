// Package heap has the garbage collector of a program that holds little wait until there
// is enough to collect. The runtime goes by a percentage of what lives: a daemon that holds
// 2 MiB would collect after every 2 MiB, which is after a few requests, and each of those
// would wait for it. It bounds no memory: see [runtime/debug.SetMemoryLimit] for that.
package heap

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	smallest = 4 << 20 // bytes that count as live at least: the runtime's own floor
	every    = time.Second
)

// A Tuning says how much garbage may lie between two collections.
type Tuning struct {
	Headroom uint64 // bytes, however little lives
	Least    int    // percent of what lives, where that is more than the headroom
}

// Percent is how many percent of what lives may be garbage before it is collected.
func (t Tuning) Percent(live uint64) int {
	return max(t.Least, int(100*t.Headroom/max(live, smallest)))
}

// Start has the collector go by the tuning, unless GOGC is set: whoever starts the program
// knows better. One tuning is in force at a time. It looks once a second at what lives,
// until stop is called, which waits for that to end and leaves the collector as it is.
func (t Tuning) Start() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	now := t.Percent(0)
	debug.SetGCPercent(now)
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { t.follow(ctx, now) })
	return func() { cancel(); done.Wait() }
}

// follow sets the percentage again when it is another by an eighth: that stops everybody
// for a moment.
func (t Tuning) follow(ctx context.Context, now int) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		percent := t.Percent(samples[0].Value.Uint64() + samples[1].Value.Uint64())
		if percent > now+now/8 || percent < now-now/8 {
			now = percent
			debug.SetGCPercent(now)
		}
	}
}
