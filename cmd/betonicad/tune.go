package main

import (
	"runtime"
	"runtime/debug"
)

// tune sets the runtime for a program that signs and waits for one disk, unless
// the environment says otherwise.
//
//   - A commit holds a processor of Go's while it waits in cgo for the disk: one
//     more than there are keeps the others busy.
//   - What a request allocates is garbage a millisecond later, and what stays is
//     small: collecting at three times what stays costs 20 MiB, and keeps the
//     collector to a thirtieth of the processors' time.
func tune(getenv func(string) string) {
	if getenv("GOMAXPROCS") == "" {
		runtime.SetDefaultGOMAXPROCS()
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	if getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}
