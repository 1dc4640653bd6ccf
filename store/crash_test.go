package store

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// Killed at any moment under load, a store has every call that it had answered,
// and a log that verifies.
func TestKill(t *testing.T) {
	if dsn := os.Getenv("BETONICA_KILLED"); dsn != "" {
		writeUntilKilled(t, dsn)
		return
	}
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		answered := map[string]bool{}
		for run := range 5 {
			for _, path := range killed(t, dsn, fmt.Sprint(run)) {
				answered[path] = true
			}
			d := open(t, config(t, dsn))
			for path := range answered {
				_, err := d.Identity(t.Context(), path)
				require.NoError(t, err)
			}
			require.GreaterOrEqual(t, verify(t, d), int64(len(answered)))
			require.NoError(t, d.Close())
		}
		require.NotEmpty(t, answered)
	})
}

// killed runs this test's other half, kills it in the midst of its work, and
// returns what it was told is recorded.
func killed(t *testing.T, dsn, run string) []string {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$", "-test.v")
	cmd.Env = append(os.Environ(), "BETONICA_KILLED="+dsn, "BETONICA_RUN="+run)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var paths []string
	enough := 20 + rand.IntN(400)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if path, ok := strings.CutPrefix(lines.Text(), "answered "); ok {
			paths = append(paths, path)
		}
		if len(paths) == enough {
			time.AfterFunc(rand.N(10*time.Millisecond), func() { cmd.Process.Signal(syscall.SIGKILL) })
		}
	}
	require.Error(t, cmd.Wait())
	require.GreaterOrEqual(t, len(paths), enough)
	return paths
}

func writeUntilKilled(t *testing.T, dsn string) {
	d := open(t, config(t, dsn))
	answers := make(chan string)
	for i := range 16 {
		go func() {
			for n := 0; ; n++ {
				path := fmt.Sprintf("device/%s-%d-%d", os.Getenv("BETONICA_RUN"), i, n)
				err := d.Update(context.Background(), func(tx *Tx) audit.Event {
					tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: Active})
					return event()
				})
				if err != nil {
					return
				}
				answers <- path
			}
		}()
	}
	for path := range answers {
		fmt.Println("answered " + path) // one write, and whole lines only count
	}
}

// Killed at any moment of a migration, a store is as it was before, or as it is to
// be, and goes on from there.
func TestKillMigration(t *testing.T) {
	if dsn := os.Getenv("BETONICA_MIGRATED"); dsn != "" {
		open(t, config(t, dsn))
		return
	}
	for range 8 {
		cfg := config(t, "sqlite:"+filepath.Join(t.TempDir(), "betonica.db"))
		cfg.Log = slog.New(slog.DiscardHandler)
		e, steps := nextSchema(t, cfg, "")
		require.NoError(t, migrateTo(t.Context(), e, cfg, steps[:1]))
		tx := &Tx{now: time.Now()}
		insertBeforeDevices(tx, "device/a")
		require.NoError(t, e.migration(t.Context(), func(ctx context.Context, s *session) error {
			return s.meet(ctx, tx.demands[0])
		}))

		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillMigration$")
		cmd.Env = append(os.Environ(), "BETONICA_MIGRATED="+cfg.DSN)
		require.NoError(t, cmd.Start())
		<-time.After(rand.N(150 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()

		d := open(t, cfg)
		_, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.NoError(t, create(d, 1))
		verify(t, d)
	}
}
