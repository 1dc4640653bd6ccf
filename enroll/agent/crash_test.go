package agent_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// A crash at any change to a file leaves a directory that is usable: what was in
// place stays, or its successor is; the same steps then succeed; the CA never
// sees a second key for one token or one parent. That holds for a process that
// is killed, for a machine that loses power and with it whatever was not synced,
// for one that keeps a link of it, and for one that loses the contents of files
// and keeps their names.
func TestCrash(t *testing.T) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm") // thousands of fsyncs, which the medium judges and the disk need not make
	}
	for _, mode := range []string{"killed", "power lost", "link kept", "contents lost"} {
		t.Run(mode, func(t *testing.T) {
			crashes := 0
			for n := 1; ; n++ {
				if !crashAt(t, mode, n) {
					break
				}
				crashes++
			}
			require.Greater(t, crashes, 60) // else nothing was tested
		})
	}
}

// crashAt enrols and renews twice, crashes before the nth change to a file,
// looks at what is left, and goes on. It reports whether there was an nth change.
func crashAt(t *testing.T, mode string, n int) (crashed bool) {
	ca := catest.New(t)
	token := ca.Token("device", "SN-1")
	m := &medium{t: t, live: t.TempDir(), crashAt: n, coarse: mode != "killed"}
	m.start()
	defer m.stop()
	conf := agent.Config{URL: ca.URL}
	at := fmt.Sprintf("%s before change %d", mode, n)
	for step, try := range []func(agent.Config) error{
		func(c agent.Config) error { return enrollWith(t.Context(), c, token) },
		renewOnce(t.Context()), renewOnce(t.Context()),
	} {
		conf.Dir = filepath.Join(m.live, "pump")
		if crashed {
			require.NoError(t, try(conf), at)
			continue
		}
		before, _ := agent.Load(conf.Dir)
		err, died := m.run(func() error { return try(agent.WithStep(conf, m.step)) })
		if !died {
			require.NoError(t, err, at)
			continue
		}
		crashed = true
		at = fmt.Sprintf("%s, %s, in step %d", at, m.last, step)
		m.reboot(mode)
		conf.Dir = filepath.Join(m.live, "pump")
		if before != nil {
			after, err := agent.Load(conf.Dir)
			require.NoError(t, err, at)
			require.GreaterOrEqual(t, after.Generation, before.Generation, at)
		}
		require.NoError(t, try(conf), at) // again, by a process that nobody kills
	}
	require.Zero(t, ca.Forks, at)
	c, err := agent.Load(conf.Dir)
	require.NoError(t, err, at)
	require.True(t, ca.Issued()[c.Serial()].Confirmed, at)
	for _, name := range names(t, conf.Dir) {
		if strings.HasPrefix(name, "gen-") {
			info, err := os.Stat(filepath.Join(conf.Dir, name, "key.pem"))
			require.NoError(t, err, at)
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), at)
		}
	}
	require.LessOrEqual(t, len(names(t, conf.Dir)), 5, at) // current, two generations, log, state.json
	return crashed
}

// What was whole before a crash is put in place without the CA, which may not
// be there, or may not remember the token any more.
func TestFinishAlone(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	mustEnroll(t, ca, conf)
	for n, op := range []string{"rename gen-000002", "symlink current.tmp", "rename current"} {
		func() {
			defer func() { recover() }()
			agent.Renew(t.Context(), agent.WithStep(conf, func(is, path string) error {
				if is+" "+filepath.Base(path) == strings.ReplaceAll(op, "000002", fmt.Sprintf("%06d", n+2)) {
					panic(crash{})
				}
				return nil
			}), false)
		}()
		held, err := agent.Load(conf.Dir)
		require.NoError(t, err)
		require.Equal(t, n+1, held.Generation, op)
		lost := conf
		lost.URL = "https://127.0.0.1:1"
		c, renewed, err := agent.Renew(t.Context(), lost, true)
		require.NoError(t, err, op)
		require.False(t, renewed)
		require.Equal(t, n+2, c.Generation, op)
	}
	require.Len(t, ca.Issued(), 4)
}

func enrollWith(ctx context.Context, c agent.Config, token api.JoinToken) error {
	_, err := agent.Enroll(ctx, c, token)
	return err
}

func renewOnce(ctx context.Context) func(agent.Config) error {
	return func(c agent.Config) error {
		_, _, err := agent.Renew(ctx, c, false)
		return err
	}
}

// medium is a disk that forgets what was not synced. It watches the changes to
// live, and knows of each inode what would be found after a loss of power: of a
// file what it held at its last fsync, of a directory the names at its last.
type medium struct {
	t       *testing.T
	live    string
	crashAt int
	coarse  bool

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
