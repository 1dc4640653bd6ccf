package agent_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// medium is a disk that forgets what was not synced. It watches the changes to
// live, and knows of each inode what would be found after a loss of power: of a
// file what it held at its last fsync, of a directory the names at its last.
type medium struct {
	t       *testing.T
	live    string
	crashAt int
	coarse  bool
	safe    bool // does not crash now

	changes int
	last    string
	dead    bool
	op      string
	path    string
	inodes  map[uint64]*inode
	open    []*os.File // so that no inode number is used twice
}

type inode struct {
	mode   fs.FileMode
	data   []byte            // of a file
	target string            // of a link
	names  map[string]uint64 // of a directory
}

type crash struct{}

func (m *medium) start() {
	m.inodes = make(map[uint64]*inode)
	m.sync(m.live)
}

func (m *medium) stop() {
	for _, f := range m.open {
		f.Close()
	}
}

// step is told before each change; the one before it is made by then.
func (m *medium) step(op, path string) error {
	if m.dead {
		panic(crash{}) // what a deferred function wants to tidy up, too
	}
	m.settle()
	if m.coarse && (op == "create" || op == "write") {
		return nil // a loss of power before either finds what it finds before the fsync
	}
	if m.safe {
		m.op, m.path = op, path
		return nil
	}
	m.changes++
	m.last = op + " " + strings.TrimPrefix(path, m.live)
	if m.changes == m.crashAt {
		m.dead = true
		panic(crash{})
	}
	m.op, m.path = op, path
	return nil
}

func (m *medium) settle() {
	if m.op == "fsync" {
		m.sync(m.path)
	}
	m.op = ""
}

func (m *medium) run(f func() error) (err error, died bool) {
	defer func() {
		if m.dead {
			recover()
			died = true
		}
	}()
	err = f()
	m.settle()
	return err, false
}

// inode returns the number of what lies at path, and remembers that it exists.
func (m *medium) inode(path string) uint64 {
	info, err := os.Lstat(path)
	require.NoError(m.t, err)
	n := info.Sys().(*syscall.Stat_t).Ino
	if m.inodes[n] == nil {
		i := &inode{mode: info.Mode()}
		m.inodes[n] = i
		if info.Mode()&fs.ModeSymlink != 0 {
			i.target, err = os.Readlink(path)
			require.NoError(m.t, err)
		} else {
			f, err := os.Open(path)
			require.NoError(m.t, err)
			m.open = append(m.open, f)
		}
	}
	return n
}

func (m *medium) sync(path string) {
	i := m.inodes[m.inode(path)]
	info, err := os.Stat(path)
	require.NoError(m.t, err)
	i.mode = info.Mode()
	if !info.IsDir() {
		i.data, err = os.ReadFile(path)
		require.NoError(m.t, err)
		return
	}
	i.names = make(map[string]uint64)
	for _, name := range names(m.t, path) {
		i.names[name] = m.inode(filepath.Join(path, name))
	}
}

// reboot replaces live by what the crash left of it.
func (m *medium) reboot(mode string) {
	to := m.t.TempDir()
	switch mode {
	case "killed":
		return
	case "power lost":
		m.restore(m.inode(m.live), to)
	case "link kept": // the order in which names reach the disk is its own
		m.restore(m.inode(m.live), to)
		link := filepath.Join("pump", "current")
		if target, err := os.Readlink(filepath.Join(m.live, link)); err == nil && os.Remove(filepath.Join(to, link)) == nil {
			require.NoError(m.t, os.Symlink(target, filepath.Join(to, link)))
		}
	case "contents lost":
		require.NoError(m.t, filepath.WalkDir(m.live, func(path string, e fs.DirEntry, err error) error {
			if err != nil || path == m.live {
				return err
			}
			i := *m.inodes[m.inode(path)]
			i.names = nil
			m.put(&i, filepath.Join(to, strings.TrimPrefix(path, m.live)))
			return nil
		}))
	}
	m.live = to
}

func (m *medium) restore(n uint64, to string) {
	for name, child := range m.inodes[n].names {
		path := filepath.Join(to, name)
		m.put(m.inodes[child], path)
		if m.inodes[child].mode.IsDir() {
			m.restore(child, path)
		}
	}
}

func (m *medium) put(i *inode, path string) {
	switch {
	case i.mode.IsDir():
		require.NoError(m.t, os.Mkdir(path, i.mode.Perm()))
	case i.mode&fs.ModeSymlink != 0:
		require.NoError(m.t, os.Symlink(i.target, path))
	default:
		require.NoError(m.t, os.WriteFile(path, i.data, i.mode.Perm()))
	}
}
