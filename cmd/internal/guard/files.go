package guard

import (
	"context"
	"log/slog"
)

// filesBeside are the descriptors that a guard needs beside those of connections.
const filesBeside = 128

// checkFiles says so if the system allows fewer open files than as many connections
// need, of two each: then some are not accepted until others end.
func checkFiles(ctx context.Context, connections int, log *slog.Logger) {
	limit, ok := openFiles()
	if wanted := 2*connections + filesBeside; ok && limit < uint64(wanted) {
		log.WarnContext(ctx, "the limit of open files is low: raise it (LimitNOFILE= of the service, ulimit -n), or lower max_connections", "files", limit, "wanted", wanted)
	}
}
