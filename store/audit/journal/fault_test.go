package journal

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// smallDisk mounts a small file system.
func smallDisk(t *testing.T, size string) string {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("a small file system cannot be mounted: ", err)
		}
		t.Skip("left out: a small file system cannot be mounted: ", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	return dir
}

// fill leaves a few pages of the disk free.
func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 16<<10))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	info, err := f.Stat()
	require.NoError(t, err)
	require.NoError(t, f.Truncate(info.Size()-32<<10))
}

// On a full disk nothing more is accepted, and the journal says so in the room that it
// kept for it; nothing that was accepted is lost, and once there is room it goes on by
// itself, and says how many were refused.
func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "8m")
	cfg := Config{Dir: filepath.Join(disk, "journal"), Identity: "hospital.example/device/pump-7"}
	j := opened(t, cfg)
	require.FileExists(t, filepath.Join(cfg.Dir, "ballast"))
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	kept, err := 0, error(nil)
	for err == nil {
		if err = j.Append(t.Context(), event(kept)); err == nil {
			kept++
		}
	}
	require.ErrorIs(t, err, ErrFull)
	require.ErrorIs(t, j.Ready(), ErrFull)
	require.ErrorIs(t, j.Append(t.Context(), event(0)), ErrFull)
	found := actions(t, cfg.Dir)
	require.Equal(t, 1, found["journal.full"])
	require.Equal(t, kept, found["access.request"])

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { return j.Ready() == nil }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, j.Append(t.Context(), event(kept)))
	require.NoError(t, j.Close())
	verified(t, cfg.Dir)
	found = actions(t, cfg.Dir)
	require.Equal(t, kept+1, found["access.request"])
	require.Equal(t, 1, found["journal.resumed"])
	require.EqualValues(t, "2", detail(t, cfg.Dir, "journal.resumed")["refused"])
	require.FileExists(t, filepath.Join(cfg.Dir, "ballast"))
}

// With best effort access goes on without entries, and how many are missing is written
// down as soon as it can be.
func TestBestEffort(t *testing.T) {
	disk := smallDisk(t, "8m")
	cfg := Config{Dir: filepath.Join(disk, "journal"), Identity: "hospital.example/device/pump-7", BestEffort: true}
	j := opened(t, cfg)
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	n := 0
	for ; j.Trouble() == nil; n++ {
		require.NoError(t, j.Append(t.Context(), event(n)))
	}
	for range 9 {
		require.NoError(t, j.Append(t.Context(), event(n)))
		n++
	}
	require.NoError(t, j.Ready())
	require.ErrorIs(t, j.Trouble(), ErrFull)
	require.EqualValues(t, 10, j.Stats().Missing)
	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool { return j.Trouble() == nil }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, j.Close())
	verified(t, cfg.Dir)
	require.Equal(t, n-10, actions(t, cfg.Dir)["access.request"])
	require.EqualValues(t, "10", detail(t, cfg.Dir, "journal.gap")["refused"])
}

// detail returns what the last entry of an action says.
func detail(t *testing.T, dir, action string) (found map[string]any) {
	o, err := ReadKeys(dir, "")
	require.NoError(t, err)
	r, err := OpenReader(dir)
	require.NoError(t, err)
	defer r.Close()
	rows, err := r.Records(t.Context(), 0, 1<<30)
	require.NoError(t, err)
	for _, row := range rows {
		if row.Action != action {
			continue
		}
		e, err := o.Keyring.Open(row.Leaf)
		require.NoError(t, err)
		found = e.Detail
		for k, v := range found {
			if n, ok := v.(interface{ String() string }); ok {
				found[k] = n.String()
			}
		}
	}
	return found
}

// A failing file loses what was written since its last sync when a sync fails, as the
// kernel does, and says nothing more of it.
type failing struct {
	leaves
	name string
	fail *atomic.Bool
	lose bool
	end  int64 // synced
}

func (f *failing) Sync() error {
	if !f.fail.Load() {
		info, err := os.Stat(f.name)
		if err == nil {
			f.end = info.Size()
		}
		return errors.Join(err, f.leaves.Sync())
	}
	f.fail.Store(false)
	if !f.lose {
		return syscall.EIO
	}
	info, err := os.Stat(f.name)
	if err != nil {
		return err
	}
	w, err := os.OpenFile(f.name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = w.WriteAt(make([]byte, info.Size()-f.end), f.end)
	return errors.Join(syscall.EIO, err, w.Close())
}

// After a sync that failed nobody is told that anything is kept, until the journal is
// mended: it then has all that was accepted before, and by a lazy one since, whether the
// disk lost it or not; and nothing that it refused.
func TestSyncFailed(t *testing.T) {
	for _, lazy := range []bool{false, true} {
		for _, lose := range []bool{false, true} {
			cfg := config(t)
			cfg.Lazy = lazy
			var fail atomic.Bool
			cfg.open = func(name string) (leaves, error) {
				f, err := openLeaves(name)
				return &failing{leaves: f, name: name, fail: &fail, lose: lose}, err
			}
			j := opened(t, cfg)
			appended(t, j, 100)
			if lazy {
				require.Eventually(t, func() bool { return j.Stats().Syncs > 0 }, 10*time.Second, time.Millisecond)
			}
			kept, refused := 100, 0
			fail.Store(true)
			for j.Trouble() == nil {
				if err := j.Append(t.Context(), event(kept)); err != nil {
					require.ErrorIs(t, err, ErrIO)
					refused++
					continue
				}
				kept++
			}
			require.ErrorIs(t, j.Ready(), ErrIO)
			require.ErrorIs(t, j.Append(t.Context(), event(-1)), ErrIO)
			require.Eventually(t, func() bool { return j.Ready() == nil }, 30*time.Second, time.Millisecond)
			require.NoError(t, j.Append(t.Context(), event(kept)))
			require.NoError(t, j.Close())
			verified(t, cfg.Dir)
			found := numbers(t, cfg.Dir)
			require.Equal(t, kept+1, len(found), "lazy %v, lost %v", lazy, lose)
			require.Equal(t, 1, actions(t, cfg.Dir)["journal.resumed"])
			if !lazy {
				require.Equal(t, 1, refused)
			}
			cfg.open = nil
			opened(t, cfg)
		}
	}
}

// The disk is asked for each entry that is accepted, but for those that wait together:
// five thousand a second from many callers cost at most one sync in five milliseconds.
func TestPace(t *testing.T) {
	p := pace{every: 5 * time.Millisecond}
	now := time.Now()
	ms := func(n int) time.Time { return now.Add(time.Duration(n) * time.Millisecond) }
	require.LessOrEqual(t, p.wait(1, now, now), time.Duration(0), "the first does not wait")
	p.began(1, now)
	require.LessOrEqual(t, p.wait(1, now, now), time.Duration(0), "nor does a lone caller who comes again")
	p.began(16, now)
	require.Positive(t, p.wait(10, ms(1), ms(1)), "where sixteen were, more are to be expected")
	require.LessOrEqual(t, p.wait(16, ms(1), ms(1)), time.Duration(0), "but not when all are back")
	require.LessOrEqual(t, p.wait(10, ms(1), ms(3)), time.Duration(0), "nor when no more come")
	require.LessOrEqual(t, p.wait(1, ms(5), ms(5)), time.Duration(0))
	for range 100 {
		p.began(1, now)
	}
	require.LessOrEqual(t, p.wait(1, now, now), time.Duration(0), "the crowd is forgotten")
}

// What is accepted was synced: strace sees a sync that ended well before the answer, and
// fewer syncs than entries where many wait.
func TestSyncs(t *testing.T) {
	if dir := os.Getenv("BETONICA_SYNCS"); dir != "" {
		j := opened(t, Config{Dir: dir, Identity: "hospital.example/device/pump-7"})
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				for i := range 50 {
					require.NoError(t, j.Append(t.Context(), event(i)))
				}
			})
		}
		all.Wait()
		return
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("strace is not there")
		}
		t.Skip("left out: strace is not there")
	}
	dir, trace := filepath.Join(t.TempDir(), "journal"), filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-e", "trace=fdatasync", "-o", trace, os.Args[0], "-test.run=^TestSyncs$")
	cmd.Env = append(os.Environ(), "BETONICA_SYNCS="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	text, err := os.ReadFile(trace)
	require.NoError(t, err)
	syncs := strings.Count(string(text), "fdatasync(") - strings.Count(string(text), "resumed")
	require.Equal(t, 64*50, actions(t, dir)["access.request"])
	require.GreaterOrEqual(t, syncs, 50) // none of the callers' fifty was answered by an earlier sync
	require.Less(t, syncs, 64*50/4)
}

// Files of leaves that the CA has, and that are old enough, are removed, and others
// never; what is removed is on record, so that the rest still verifies. Without that
// record it is a deletion.
func TestPrune(t *testing.T) {
	cfg := config(t)
	cfg.segment, cfg.Keep = 20<<10, 24*time.Hour
	var ahead atomic.Int64
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	j := opened(t, cfg)
	appended(t, j, 700)
	require.NoError(t, j.Close())
	list, err := segments(cfg.Dir)
	require.NoError(t, err)
	require.Greater(t, len(list), 5)

	prune := func(shipped int64, after time.Duration) int {
		ahead.Store(int64(after))
		j, err := Open(cfg)
		require.NoError(t, err)
		require.NoError(t, j.Shipped(shipped))
		require.Eventually(t, func() bool {
			ahead.Add(int64(signing)) // as often as something is written once more after it was signed
			return j.Stats().Signed == j.Size()
		}, 10*time.Second, 100*time.Millisecond)
		require.NoError(t, j.Close())
		left, err := segments(cfg.Dir)
		require.NoError(t, err)
		return len(left)
	}
	require.Equal(t, len(list), prune(0, 48*time.Hour), "none was shipped")
	require.Equal(t, len(list), prune(list[3].first-1, 0), "they are young")
	left := prune(list[3].first-1, 48*time.Hour)
	require.Less(t, left, len(list))
	report := verified(t, cfg.Dir)
	require.Equal(t, list[3].first, report.First)
	opened(t, cfg).Close()

	now2, err := segments(cfg.Dir)
	require.NoError(t, err)
	require.NoError(t, os.Remove(now2[0].path(cfg.Dir)))
	_, err = verify(t, cfg.Dir)
	var broken *audit.TamperError
	require.ErrorAs(t, err, &broken)
	require.Equal(t, audit.Deleted, broken.Kind)
}

// A journal that is as long as it may be is in trouble until the CA has its oldest
// entries and they may go.
func TestTooLong(t *testing.T) {
	cfg := config(t)
	cfg.segment, cfg.MaxBytes = 20<<10, 100<<10 // young entries, too
	j := opened(t, cfg)
	var err error
	for n := 0; err == nil; n++ {
		err = j.Append(t.Context(), event(n))
	}
	require.ErrorIs(t, err, ErrTooLong)
	require.ErrorIs(t, j.Ready(), ErrTooLong)
	require.NoError(t, j.Shipped(j.Size()))
	require.Eventually(t, func() bool { return j.Ready() == nil }, 30*time.Second, time.Millisecond)
	require.NoError(t, j.Append(t.Context(), event(0)))
	require.NoError(t, j.Close())
	verified(t, cfg.Dir)
}
