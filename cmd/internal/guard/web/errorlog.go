package web

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
)

// An errorLog takes what net/http says of a server, to the log of the route. What is
// about a request is in its record; this is about faults of ours.
type errorLog struct {
	to atomic.Pointer[slog.Logger]
}

const maxLog = 4 << 10 // bytes of one message: a stack, and nothing endless

// panicked takes what a request ended with, unless that is how it was to end.
func (e *errorLog) panicked(with any) {
	if with != http.ErrAbortHandler {
		fmt.Fprintf(e, "panic serving a request: %v\n%s", with, debug.Stack())
	}
}

func (e *errorLog) Write(p []byte) (int, error) {
	if to := e.to.Load(); to != nil {
		to.Error("serving HTTP", "error", string(bytes.TrimSpace(p[:min(len(p), maxLog)])))
	}
	return len(p), nil
}
