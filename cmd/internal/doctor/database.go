package doctor

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/store"
)

// What a PostgreSQL server should be set to at least, where there is much to keep: below
// large entries of the log all of it is in memory, and it makes no difference.
const (
	wantedWAL     = 4 << 30
	wantedTimeout = 15 * time.Minute
	large         = 100_000
	forTools      = 3 // connections, for backups and this program
)

// database tells of settings of the PostgreSQL server that endanger what is recorded, or
// make a large store slow.
func database(ctx context.Context, c *Case) []Finding {
	if c.Config == nil {
		return c.without()
	}
	if _, alone := c.Config.Database(); alone {
		return []Finding{ok("none: an SQLite store has no server")}
	}
	i, why := inspect(ctx, c)
	if i == nil {
		return why
	}
	defer i.Close()
	s, err := i.ServerSettings(ctx)
	if err != nil {
		return []Finding{c.broken(err)}
	}
	replicas, err := i.Replicas(ctx)
	if err != nil {
		return []Finding{c.broken(err)}
	}
	_, entries, err := i.Newest(ctx)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return []Finding{c.broken(err)}
	}
	live := int64(0)
	for _, r := range replicas {
		if r.Live {
			live++
		}
	}
	memory := int64(0)
	if s.Here {
		memory = memoryOf("/proc/meminfo")
	}
	return judgeServer(s, entries, max(1, live), memory)
}

// judgeServer tells of settings, given the number of entries of the log, of daemons, and
// of bytes of the server's memory, 0 if that is not known.
func judgeServer(s *store.ServerSettings, entries, daemons, memory int64) []Finding {
	found, hints := endangered(s), []Finding(nil)
	slow := func(do, format string, args ...any) {
		if entries < large {
			hints = append(hints, hint(do, format, args...))
		} else {
			found = append(found, warn(do, format, args...))
		}
	}
	if s.MaxWAL < wantedWAL || s.CheckpointTimeout < wantedTimeout {
		slow("set max_wal_size to 4GB and checkpoint_timeout to 15min, or more, and reload the server, which then recovers from a crash for longer",
			"max_wal_size is %d MiB and checkpoint_timeout %s: after each checkpoint PostgreSQL writes every page that changes whole once more, and with many certificates nearly every change is to another page",
			s.MaxWAL>>20, s.CheckpointTimeout)
	}
	if s.SharedBuffers < memory/8 && s.SharedBuffers < s.Database {
		slow("set shared_buffers to a quarter of the memory, and restart the server",
			"shared_buffers is %d MiB, of %d MiB of memory, and the database takes %d MiB", s.SharedBuffers>>20, memory>>20, s.Database>>20)
	}
	if !s.WALCompression {
		hints = append(hints, hint("set wal_compression to lz4, or to on where the server knows no lz4, and reload the server", "wal_compression is off: pages that are written whole are written at their full size"))
	}
	if s.SynchronousCommit == "off" {
		hints = append(hints, hint("set synchronous_commit to on, unless somebody else wants it off", "synchronous_commit is off by default: daemons turn it on for what they record"))
	}
	if want := daemons*s.PerDaemon + forTools; s.Connections < want {
		found = append(found, warn("raise max_connections, and the user's and the database's limit if they have one, or set pool_max_conns=N in the data sources",
			"the server lets daemons have %d connections, and %d with up to %d each may take %d", s.Connections, daemons, s.PerDaemon, want))
	}
	found = append(orOK(found, "PostgreSQL %s keeps what it is given, with up to %d connections", s.Version, s.Connections), hints...)
	return append(found, skip("the disk of the server cannot be seen from here: watch there that it has room"))
}

// endangered tells what may lose or damage the store.
func endangered(s *store.ServerSettings) (found []Finding) {
	if !s.Fsync {
		found = append(found, fail("set fsync to on, reload the server, and make a backup",
			"fsync is off: if the server's host crashes, certificates and revocations that were acknowledged are lost, and the database may be damaged"))
	}
	if !s.FullPageWrites {
		found = append(found, fail("set full_page_writes to on, and reload the server",
			"full_page_writes is off: if the server's host crashes, a page that was half written stays so"))
	}
	if !s.Autovacuum {
		found = append(found, warn("set autovacuum and track_counts to on, and reload the server",
			"autovacuum is off: the room of what was removed is not used again, and the database grows without end"))
	}
	return found
}

// memoryOf returns how much memory a machine has (proc(5)), 0 if that cannot be read.
func memoryOf(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err == nil && kB >= 0 && kB < 1<<50 {
				return kB << 10
			}
		}
	}
	return 0
}
