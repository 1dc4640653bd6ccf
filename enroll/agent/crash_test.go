package agent_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

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
