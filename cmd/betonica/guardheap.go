package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/betonica/betonica/cmd/internal/guard"
)

// boundMemory has the garbage collector keep to what the guard needs, unless whoever
// starts it knows better.
func boundMemory(c guard.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.Memory())
	}
}

const (
	headroom   = 32 << 20 // bytes
	leastHeap  = 4 << 20
	leastGOGC  = 20
	heapsEvery = time.Second
)

// collectAt is how many percent of what lives may be garbage before it is collected, so
// that it is the headroom. A guard that has few connections holds 5 MiB, of which the usual
// 100 percent are over after some hundred requests; one that has ten thousand would keep as
// much garbage as all of them need.
func collectAt(live uint64) int {
	return max(leastGOGC, int(100*headroom/max(live, leastHeap)))
}

// tuneHeap goes by [collectAt] until ctx ends, unless whoever starts the guard knows better.
func tuneHeap(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	now := collectAt(0)
	debug.SetGCPercent(now)
	tick := time.NewTicker(heapsEvery)
	defer tick.Stop()
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		percent := collectAt(samples[0].Value.Uint64() + samples[1].Value.Uint64())
		if percent > now+now/8 || percent < now-now/8 { // setting it stops everybody for a moment
			now = percent
			debug.SetGCPercent(now)
		}
	}
}
