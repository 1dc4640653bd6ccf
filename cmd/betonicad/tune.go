package main

import (
	"runtime"

	"github.com/betonica/betonica/cmd/internal/heap"
	"github.com/betonica/betonica/cmd/internal/server"
)

// tune sets the runtime for a program that signs and waits for one disk, unless
// the environment says otherwise. A commit to a file holds a processor of Go's while it
// waits in cgo for the disk: one more than there are keeps the others busy. Where a
// server waits for it, one more would only be woken in vain: three replicas on one
// machine lose 5 to 10 % of their certificates by it.
func tune(getenv func(string) string, c *server.Config) {
	if _, file := c.Database(); file && getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// daemonHeap is for a program that holds little: what a request allocates is garbage a
// millisecond later.
func daemonHeap() heap.Tuning { return heap.Tuning{Headroom: 64 << 20, Least: 200} }

// verifyHeap is for one that holds less, and allocates 3 KiB for each of a million entries.
// It may run beside the daemon, on a host with little memory.
func verifyHeap() heap.Tuning { return heap.Tuning{Headroom: 32 << 20, Least: 200} }
