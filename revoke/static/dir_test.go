package static_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/static"
)

func always([]byte) bool { return true }
func never([]byte) bool  { return false }

// A file is there with what was put, in directories that were not, and with modes
// that let a web server read it, whatever the umask.
func TestPut(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	path := filepath.Join(t.TempDir(), "www")
	d := static.New(path)
	require.NoError(t, d.Put("crl/ab/8/1.crl", []byte("one"), never))
	require.NoError(t, d.Put("chain.crl.pem", []byte("two"), never))
	got, err := d.Get("crl/ab/8/1.crl")
	require.NoError(t, err)
	require.Equal(t, "one", string(got))
	require.NoError(t, filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		switch {
		case e.IsDir():
			require.Equal(t, fs.FileMode(0o755), info.Mode().Perm(), name)
		case e.Name() != ".lock":
			require.Equal(t, fs.FileMode(0o644), info.Mode().Perm(), name)
		}
		return nil
	}))
	require.True(t, d.Has("crl/ab/8/1.crl"))
	require.False(t, d.Has("crl/ab/8"))
	require.False(t, d.Has("none"))
	_, err = d.Get("crl/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// What lies there is asked about, stays if it is newer, and is not written again if
// it is the same.
func TestPutYields(t *testing.T) {
	path := t.TempDir()
	d := static.New(path)
	require.NoError(t, d.Put("a", []byte("old"), never))
	require.ErrorIs(t, d.Put("a", []byte("new"), never), static.ErrNewer)
	got, _ := d.Get("a")
	require.Equal(t, "old", string(got))

	before, err := os.Stat(filepath.Join(path, "a"))
	require.NoError(t, err)
	require.NoError(t, d.Put("a", []byte("old"), never))
	after, err := os.Stat(filepath.Join(path, "a"))
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "written again")

	require.NoError(t, d.Put("a", []byte("new"), func(old []byte) bool { return string(old) == "old" }))
	got, _ = d.Get("a")
	require.Equal(t, "new", string(got))
	replaced, err := os.Stat(filepath.Join(path, "a"))
	require.NoError(t, err)
	require.False(t, os.SameFile(before, replaced), "replaced in one step, not written over")
}

// Half a file of an earlier crash is cleared away, and is never served.
func TestPutClears(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(path, ".new"), []byte("half"), 0o600))
	require.NoError(t, static.New(path).Put("a", []byte("whole"), never))
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	require.Len(t, entries, 2) // with the lock
}

// While another process writes, nobody else does.
func TestPutBusy(t *testing.T) {
	path := t.TempDir()
	d := static.New(path)
	require.NoError(t, d.Put("a", []byte("old"), never))
	lock, err := os.Open(filepath.Join(path, ".lock"))
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	require.ErrorIs(t, d.Put("a", []byte("new"), always), static.ErrBusy)
	require.NoError(t, lock.Close())
	require.NoError(t, d.Put("a", []byte("new"), always))
}

// No link leads out of the directory, whoever may have put it there: neither what
// lies outside is changed, nor what it holds told.
func TestPutStays(t *testing.T) {
	path, outside := t.TempDir(), t.TempDir()
	require.NoError(t, os.Symlink(outside, filepath.Join(path, "crl")))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(path, "a")))
	require.NoError(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(path, ".new")))
	d := static.New(path)
	require.Error(t, d.Put("crl/full.crl", []byte("x"), always))
	require.Error(t, d.Put("../x", []byte("x"), always))
	require.Error(t, d.Put("a", []byte("x"), func(old []byte) bool { t.Errorf("asked about %q", old); return true }))
	entries, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	got, err := os.ReadFile(filepath.Join(outside, "secret"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(got))
}

// What cannot be written says so, and leaves what was there.
func TestPutFails(t *testing.T) {
	path := t.TempDir()
	d := static.New(path)
	require.NoError(t, os.WriteFile(filepath.Join(path, "crl"), nil, 0o600))
	require.Error(t, d.Put("crl/ab/full.crl", []byte("x"), always))
	require.NoError(t, os.MkdirAll(filepath.Join(path, "dir", "below"), 0o755))
	require.Error(t, d.Put("dir", []byte("x"), always))
	require.Error(t, static.New(filepath.Join(path, "none", "below")).Put("a", nil, always))
	require.Error(t, static.New(filepath.Join(path, "crl")).Put("a", nil, always))
}

// What is made of other files is made while nobody can change them, and takes the
// place of what was made before; where it cannot be made, that stays.
func TestDerive(t *testing.T) {
	path := t.TempDir()
	d, other := static.New(path), static.New(path)
	require.NoError(t, d.Put("a", []byte("1"), never))
	for _, want := range []string{"1", "1"} {
		require.NoError(t, d.Derive("all", func() ([]byte, error) {
			require.ErrorIs(t, other.Put("a", []byte("2"), always), static.ErrBusy)
			return d.Get("a")
		}))
		got, err := d.Get("all")
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	require.ErrorIs(t, d.Derive("all", func() ([]byte, error) { return d.Get("none") }), fs.ErrNotExist)
	got, err := d.Get("all")
	require.NoError(t, err)
	require.Equal(t, "1", string(got))
}

// However many write at once, whoever reads sees one whole file, and the numbers in
// it only rise.
func TestPutConcurrently(t *testing.T) {
	path := t.TempDir()
	file := func(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%06d", n), 1000) }
	number := func(b []byte) (n int) { fmt.Sscanf(string(b[:6]), "%06d", &n); return n }
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			d := static.New(path)
			for i := range 50 {
				n := 4*i + w
				for {
					err := d.Put("a", file(n), func(old []byte) bool { return number(old) < n })
					if err == nil || !bytes.Contains([]byte(err.Error()), []byte(static.ErrBusy.Error())) {
						break
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	d, last := static.New(path), 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		b, err := d.Get("a")
		if err != nil {
			continue
		}
		n := number(b)
		require.Equal(t, file(n), b)
		require.GreaterOrEqual(t, n, last)
		last = n
	}
	require.Equal(t, 199, last)
}
