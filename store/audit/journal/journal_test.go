package journal

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

func config(t testing.TB) Config {
	return Config{Dir: filepath.Join(t.TempDir(), "journal"), Identity: "hospital.example/device/pump-7"}
}

func opened(t testing.TB, cfg Config) *Journal {
	j, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { j.Close() })
	return j
}

func event(n int) audit.Event {
	return audit.Event{Action: "access.request", Actor: "spiffe://hospital.example/device/pump-7", Subject: "pacs", Detail: map[string]any{"n": n}}
}

// appended writes n entries, several at a time, and returns once all are accepted.
func appended(t testing.TB, j *Journal, n int) {
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for i := w; i < n; i += 16 {
				require.NoError(t, j.Append(context.Background(), event(i)))
			}
		})
	}
	all.Wait()
}

// verified verifies the journal in a folder, and returns the report.
func verified(t testing.TB, dir string) audit.Report {
	report, err := verify(t, dir)
	require.NoError(t, err)
	return report
}

func verify(t testing.TB, dir string) (audit.Report, error) {
	o, err := ReadKeys(dir, "")
	require.NoError(t, err)
	r, err := OpenReader(dir)
	require.NoError(t, err)
	defer r.Close()
	return Verify(t.Context(), r, o)
}

// events returns the actions in a journal, with the number of access entries.
func actions(t testing.TB, dir string) map[string]int {
	o, err := ReadKeys(dir, "")
	require.NoError(t, err)
	r, err := OpenReader(dir)
	require.NoError(t, err)
	defer r.Close()
	rows, err := r.Records(t.Context(), 0, 1<<30)
	require.NoError(t, err)
	all := map[string]int{}
	for _, row := range rows {
		e, err := o.Keyring.Open(row.Leaf)
		require.NoError(t, err)
		all[e.Action]++
	}
	return all
}

// What was appended is there after it was closed and opened again, verifies with its
// last checkpoint over all of it, and goes on from there; also over several files.
func TestAppend(t *testing.T) {
	for _, lazy := range []bool{false, true} {
		cfg := config(t)
		cfg.Lazy, cfg.segment = lazy, 100<<10
		total := 0
		for run := range 3 {
			j, err := Open(cfg)
			require.NoError(t, err)
			require.NoError(t, j.Ready())
			appended(t, j, 700)
			total += 700
			r := verified(t, cfg.Dir) // while it is written
			require.GreaterOrEqual(t, r.Last, int64(total))
			require.NoError(t, j.Close())
			require.ErrorIs(t, j.Append(t.Context(), event(0)), ErrClosed)
			require.ErrorIs(t, j.Ready(), ErrClosed)
			r = verified(t, cfg.Dir)
			require.Equal(t, int64(total+2*(run+1)), r.Last)
			require.Equal(t, r.Last, r.Proved)
			require.Equal(t, r.Last, r.Opened)
		}
		require.Equal(t, map[string]int{"access.request": total, "journal.open": 3, "journal.close": 3}, actions(t, cfg.Dir))
		list, err := segments(cfg.Dir)
		require.NoError(t, err)
		require.Greater(t, len(list), 5)
	}
}

// Two writers would write two histories: the second is refused.
func TestOneWriter(t *testing.T) {
	cfg := config(t)
	j := opened(t, cfg)
	_, err := Open(cfg)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, j.Close())
	opened(t, cfg)
}

// An event that cannot be an entry is refused by itself: those beside it are written.
func TestBadEvent(t *testing.T) {
	j := opened(t, config(t))
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if i%2 == 0 {
				require.Error(t, j.Append(t.Context(), audit.Event{Action: "Not An Action"}))
				return
			}
			require.NoError(t, j.Append(t.Context(), event(i)))
		})
	}
	all.Wait()
	require.NoError(t, j.Ready())
	require.NoError(t, j.Close())
	require.Equal(t, 25, actions(t, j.cfg.Dir)["access.request"])
}

// Nobody else on the machine reads the journal or its keys, and no entry is in clear.
func TestSecret(t *testing.T) {
	cfg := config(t)
	cfg.KeyFile = filepath.Join(t.TempDir(), "journal.key")
	j := opened(t, cfg)
	appended(t, j, 300)
	require.NoError(t, j.Close())
	require.NoFileExists(t, filepath.Join(cfg.Dir, "master"))
	files, err := os.ReadDir(cfg.Dir)
	require.NoError(t, err)
	require.Greater(t, len(files), 5)
	for _, name := range append([]string{cfg.KeyFile}, paths(cfg.Dir, files)...) {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, "-rw-------", info.Mode().String(), name)
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, string(text), "pacs", name)
	}
	// Another key opens nothing, and says so before anything is written.
	other := cfg
	other.KeyFile = filepath.Join(t.TempDir(), "other.key")
	require.NoError(t, makeMaster(other.KeyFile))
	_, err = Open(other)
	require.ErrorContains(t, err, "is this the journal's key?")
	require.NoError(t, os.WriteFile(other.KeyFile, []byte("abc\n"), 0o600))
	_, err = Open(other)
	require.ErrorContains(t, err, "64 hex digits")
	opened(t, cfg)
}

func paths(dir string, files []os.DirEntry) (all []string) {
	for _, f := range files {
		all = append(all, filepath.Join(dir, f.Name()))
	}
	return all
}

// A name that no checkpoint can carry makes no journal.
func TestIdentity(t *testing.T) {
	for _, bad := range []string{"", "a b", "a+b", "a\nb"} {
		cfg := config(t)
		cfg.Identity = bad
		_, err := Open(cfg)
		require.Error(t, err, "%q", bad)
	}
	_, err := OpenReader(t.TempDir())
	require.ErrorContains(t, err, "holds no journal")
}

// Nothing is accepted by a journal that is closed, not even where entries may be missing.
func TestAppendClosed(t *testing.T) {
	for _, lazy := range []bool{false, true} {
		cfg := config(t)
		cfg.Lazy, cfg.BestEffort = lazy, true
		j := opened(t, cfg)
		require.NoError(t, j.Append(t.Context(), event(1)))
		require.NoError(t, j.Close())
		require.ErrorIs(t, j.Append(t.Context(), event(2)), ErrClosed)
		require.Equal(t, 1, actions(t, cfg.Dir)["access.request"])
	}
}

// Callers of a lazy journal write in turns, whoever of them does it: each entry is there
// once, and the whole verifies.
func TestLazyCallers(t *testing.T) {
	cfg := config(t)
	cfg.Lazy = true
	j := opened(t, cfg)
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			for i := range 100 {
				require.NoError(t, j.Append(t.Context(), event(100*c+i)))
			}
		})
	}
	all.Wait()
	require.NoError(t, j.Close())
	verified(t, cfg.Dir)
	found := numbers(t, cfg.Dir)
	require.Len(t, found, 800)
	for n, times := range found {
		require.Equal(t, 1, times, "entry %d", n)
	}
}
