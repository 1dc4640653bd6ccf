package main

import (
	"os"
	"runtime/debug"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/heap"
)

// boundMemory has the garbage collector keep to what the guard needs, unless whoever
// starts it knows better.
func boundMemory(c guard.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.Memory())
	}
}

// guardHeap is for a guard: one that has few connections holds 5 MiB, of which the usual
// 100 percent are over after some hundred requests; one that has ten thousand would keep as
// much garbage as all of them need.
func guardHeap() heap.Tuning { return heap.Tuning{Headroom: 32 << 20, Least: 20} }
