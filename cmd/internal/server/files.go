package server

import (
	"fmt"
	"log/slog"
	"syscall"
)

// Open files are connections, mostly. The database, the log and what the runtime
// needs come first: where files are few, fewer connections are taken, not fewer
// revocations.
const (
	spareFiles = 512
	// WantFiles is with how many all listeners hold as many connections as they may.
	WantFiles = maxHTTPS + maxHTTP + maxOps + maxSocket + spareFiles
)

// raiseFiles raises the limit of open files to what the system allows, and returns
// it.
func raiseFiles() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit of open files: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return 0, fmt.Errorf("raising the limit of open files: %w", err)
		}
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// shares returns how many connections each listener holds open with so many files.
// Where they are short the relying parties' listener gets five eighths: a stream
// stays open, a renewal does not.
func shares(files int) (https, http int) {
	left := max(files-maxOps-maxSocket-spareFiles, 64)
	http = min(maxHTTP, left*5/8)
	return min(maxHTTPS, left-http), http
}

// warnOfFiles says how many connections fit, if that is not all.
func (l *Listeners) warnOfFiles(log *slog.Logger) {
	if l.files >= WantFiles {
		return
	}
	https, http := shares(l.files)
	log.Warn("the limit of open files is low: fewer machines and relying parties can be connected at a time; raise it (LimitNOFILE= of the service, ulimit -n)",
		"files", l.files, "wanted", WantFiles, "https", https, "http", http)
}
