package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// A crash at any change to a file leaves a directory that is usable: what was in
// place stays, or its successor is; the same steps then succeed; the CA never
// sees a second key for one token, one request or one parent. That holds for a process
// that is killed, for a machine that loses power and with it whatever was not synced,
// for one that keeps a link of it, and for one that loses the contents of files
// and keeps their names; and for each way that a certificate comes, and goes back.
func TestCrash(t *testing.T) {
	inMemory(t) // the medium judges the fsyncs, and the disk need not make them
	all := []string{"killed", "power lost", "link kept", "contents lost"}
	for _, way := range []struct {
		name  string
		modes []string
		least int // crashes, else nothing was tested
		story func(*story)
	}{
		{"renewed", all, 60, renewed},
		{"rolled back", all[:2], 40, rolledBack},
		{"asked", all[:2], 20, asked},
		{"late", all[:2], 15, late},
	} {
		for _, mode := range way.modes {
			t.Run(way.name+"/"+mode, func(t *testing.T) {
				crashes := 0
				for n := 1 + rand.N(agent.Stride); crashAt(t, mode, n, way.story); n += agent.Stride {
					crashes++
				}
				require.Greater(t, crashes, way.least/agent.Stride)
			})
		}
	}
}

// inMemory has the test's files where thousands of fsyncs cost nothing, if there is such
// a place.
func inMemory(t *testing.T) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm")
	}
}

// A story is what a machine does, step by step; a step that crashes is done again.
type story struct {
	t     *testing.T
	ca    *catest.Server
	conf  agent.Config // but for Dir
	steps []func(agent.Config) error
	from  int // the first step to crash in: those before are another story's
	keys  int // how many keys the CA may see
}

// renewed enrols, and renews twice.
func renewed(s *story) {
	token := s.ca.Token("device", "SN-1")
	s.steps = []func(agent.Config) error{
		func(c agent.Config) error { return enrollWith(s.t.Context(), c, token) }, renewOnce(s.t.Context()), renewOnce(s.t.Context()),
	}
	s.keys = 3
}

// rolledBack has a renewal that the program does not take, and then does.
func rolledBack(s *story) {
	renewed(s)
	renew, exec := s.steps[1], func(name string, f func(agent.Config) error) func(agent.Config) error {
		return func(c agent.Config) error {
			c.Exec = []string{name}
			err := f(c)
			if _, ok := errors.AsType[*agent.HeldError](err); ok && name == "/bin/false" {
				return nil
			}
			return err
		}
	}
	s.steps = []func(agent.Config) error{exec("/bin/true", s.steps[0]), exec("/bin/false", renew), exec("/bin/true", renew)}
	s.from, s.keys = 1, 5 // what is tried again renews what is held back
}

// asked waits for a person.
func asked(s *story) {
	ask := func(c agent.Config) error {
		ctx, cancel := context.WithCancel(s.t.Context())
		c.Events = func(e agent.Event) {
			if e.Kind == agent.Waiting {
				cancel()
			}
		}
		_, err := agent.EnrollWith(ctx, c, agent.Proof{Ask: true, Root: rootOf(s.ca.Issuer)})
		return err
	}
	s.steps = []func(agent.Config) error{
		func(c agent.Config) error {
			if err := ask(c); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("did not wait: %w", err)
			}
			return nil
		},
		func(c agent.Config) error {
			require.LessOrEqual(s.t, len(s.ca.Asking()), 1)
			for _, a := range s.ca.Asking() {
				s.ca.Approve(a.Code, "device/SN-1")
			}
			return ask(c)
		},
	}
	s.keys = 1
}

// late renews once its certificate, whose key is in a chip, has run out.
func late(s *story) {
	renewed(s)
	s.ca.Grace = 24 * time.Hour
	s.conf.Keys = new(chip)
	renew := s.steps[1]
	s.steps[2] = func(c agent.Config) error {
		if now, err := agent.Load(c.Dir); err == nil && time.Now().Before(now.NotAfter()) {
			time.Sleep(time.Until(now.NotAfter()) + time.Second)
		}
		return renew(c)
	}
	s.from, s.keys = 2, 4
}

// crashAt tells the story, crashes before the nth change to a file, looks at what is
// left, and goes on. It reports whether there was an nth change.
func crashAt(t *testing.T, mode string, n int, tell func(*story)) (crashed bool) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		s := &story{t: t, ca: catest.Serve(t, net)}
		tell(s)
		m := &medium{t: t, live: t.TempDir(), crashAt: n, coarse: mode != "killed"}
		m.start()
		defer m.stop()
		conf := s.conf
		conf.URL, conf.DialContext = s.ca.URL, net.dial
		at := fmt.Sprintf("%s before change %d", mode, n)
		for step, try := range s.steps {
			conf.Dir = filepath.Join(m.live, "pump")
			if crashed {
				require.NoError(t, try(conf), at)
				continue
			}
			before, _ := agent.Load(conf.Dir)
			m.safe = step < s.from
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
		require.Zero(t, s.ca.Forks, at)
		require.LessOrEqual(t, len(s.ca.Issued()), s.keys+1, at)
		c, err := agent.Load(conf.Dir)
		require.NoError(t, err, at)
		require.True(t, s.ca.Issued()[c.Serial()].Confirmed, at)
		generations := 0
		for _, name := range names(t, conf.Dir) {
			if strings.HasPrefix(name, "gen-") {
				generations++
				info, err := os.Stat(filepath.Join(conf.Dir, name, "key.pem"))
				require.NoError(t, err, at)
				require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), at)
			}
		}
		require.LessOrEqual(t, generations, 3, at)
		require.LessOrEqual(t, len(names(t, conf.Dir)), generations+3, at) // current, log, state.json
	})
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
