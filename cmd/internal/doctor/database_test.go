package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// What a server is set to is judged by how much it keeps and for how many; nothing that is
// only slow fails, and nothing that is well is told.
func TestJudgeServer(t *testing.T) {
	well := store.ServerSettings{
		Version: "15", Fsync: true, FullPageWrites: true, Autovacuum: true, SynchronousCommit: "on", WALCompression: true,
		MaxWAL: 4 << 30, CheckpointTimeout: 15 * time.Minute, SharedBuffers: 4 << 30, Database: 100 << 30, Connections: 97, PerDaemon: 30,
	}
	for _, tt := range []struct {
		name            string
		change          func(*store.ServerSettings)
		entries, memory int64
		daemons         int64
		want            Verdict
		what            string
	}{
		{"well", func(*store.ServerSettings) {}, large, 16 << 30, 3, OK, "PostgreSQL 15"},
		{"fsync", func(s *store.ServerSettings) { s.Fsync = false }, 0, 0, 1, Failed, "fsync is off"},
		{"full_page_writes", func(s *store.ServerSettings) { s.FullPageWrites = false }, 0, 0, 1, Failed, "full_page_writes is off"},
		{"autovacuum", func(s *store.ServerSettings) { s.Autovacuum = false }, 0, 0, 1, Warning, "autovacuum is off"},
		{"synchronous_commit", func(s *store.ServerSettings) { s.SynchronousCommit = "off" }, large, 0, 1, OK, "synchronous_commit is off"},
		{"wal_compression", func(s *store.ServerSettings) { s.WALCompression = false }, large, 0, 1, OK, "wal_compression is off"},
		{"max_wal_size", func(s *store.ServerSettings) { s.MaxWAL-- }, large, 0, 1, Warning, "max_wal_size is 4095 MiB"},
		{"max_wal_size of a small store", func(s *store.ServerSettings) { s.MaxWAL-- }, large - 1, 0, 1, OK, "max_wal_size is 4095 MiB"},
		{"checkpoint_timeout", func(s *store.ServerSettings) { s.CheckpointTimeout-- }, large, 0, 1, Warning, "checkpoint_timeout 14m59"},
		{"shared_buffers", func(*store.ServerSettings) {}, large, 33 << 30, 1, Warning, "shared_buffers is 4096 MiB"},
		{"shared_buffers of a small store", func(*store.ServerSettings) {}, 0, 33 << 30, 1, OK, "shared_buffers is 4096 MiB"},
		{"shared_buffers that hold all", func(s *store.ServerSettings) { s.Database = 4 << 30 }, large, 33 << 30, 1, OK, "PostgreSQL 15"},
		{"connections", func(*store.ServerSettings) {}, 0, 0, 4, Warning, "lets daemons have 97 connections, and 4 with up to 30 each may take 123"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := well
			tt.change(&s)
			found := judgeServer(&s, tt.entries, tt.daemons, tt.memory)
			last := len(found) - 1
			require.Equal(t, Skipped, found[last].State, "the disk")
			worstOf, told := OK, false
			for _, f := range found[:last] {
				worstOf = worst(worstOf, f.State)
				told = told || f.State == tt.want && strings.Contains(f.What, tt.what)
				require.Equal(t, !strings.HasPrefix(f.What, "PostgreSQL"), f.Do != "", f.What)
			}
			require.True(t, told, found)
			require.Equal(t, tt.want, worstOf)
			require.LessOrEqual(t, len(found), 3)
			if tt.what == "PostgreSQL 15" {
				require.Len(t, found, 2)
			}
		})
	}
}

// The memory of a machine is read as the kernel writes it, and not guessed.
func TestMemoryOf(t *testing.T) {
	file := filepath.Join(t.TempDir(), "meminfo")
	for text, want := range map[string]int64{
		"MemTotal:       16384 kB\nMemFree:  1 kB\n": 16 << 20, "MemFree: 1 kB\n": 0, "MemTotal: -5 kB\n": 0, "MemTotal: x kB\n": 0, "": 0,
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Equal(t, want, memoryOf(file), text)
	}
	require.Zero(t, memoryOf(file+"-none"))
}

// A server that does not run is started: there is no file of its own to put back.
func TestServerAway(t *testing.T) {
	_, err := store.Inspect(t.Context(), store.Config{
		DSN: "postgres://ca@/ca?host=" + t.TempDir(), Keys: audit.NewKeys([32]byte{1}), Origin: "test", Now: time.Now,
	})
	require.ErrorIs(t, err, os.ErrNotExist, "of the socket")
	for _, c := range []*Case{{}, {Holder: 1}} {
		f := c.broken(err)
		require.Equal(t, Failed, f.State)
		require.Equal(t, store.TroubleUnreachable.Remedy(), f.Do)
	}
}
