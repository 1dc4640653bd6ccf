package agent_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// fullFrom is a disk that takes n more changes, and then only that something is removed.
func fullFrom(n int, hit *bool) func(op, path string) error {
	return func(op, path string) error {
		if n--; n >= 0 || op == "remove" {
			return nil
		}
		*hit = true
		return &os.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
	}
}

// A disk that is full from any write on, of a first certificate, a renewal, or one that is
// rolled back, costs no certificate: what was in place stays whole and in place, or its
// successor is; the step says what is wrong; once there is room, it succeeds, and the CA
// sees no second key.
func TestDiskFull(t *testing.T) {
	inMemory(t)
	for _, exec := range []string{"", "/bin/true", "/bin/false"} {
		for n, more := rand.N(agent.Stride), true; more; n += agent.Stride {
			more = false
			at := fmt.Sprintf("%s full after %d changes", exec, n)
			ca := catest.New(t)
			conf, _ := config(t, ca)
			token := ca.Token("device", "SN-1")
			var old *agent.Credential
			for step, try := range []func(agent.Config) error{
				func(c agent.Config) error { return enrollWith(t.Context(), c, token) }, renewOnce(t.Context()),
			} {
				c := conf
				if c.Exec = []string{exec}; exec == "" || step == 0 && exec == "/bin/false" {
					c.Exec = nil
				}
				hit := false
				said := new(journal)
				c.Events = said.add
				err := try(agent.WithStep(c, fullFrom(n, &hit)))
				if hit {
					more = true
					if err != nil && exec != "/bin/false" {
						require.ErrorIs(t, err, syscall.ENOSPC, at)
					}
					now, loadErr := agent.Load(conf.Dir)
					if err == nil || old != nil {
						require.NoError(t, loadErr, at)
						require.GreaterOrEqual(t, now.Generation, 1, at)
					}
					c.Exec = nil
					if exec != "" {
						c.Exec = []string{"/bin/true"}
					}
					require.NoError(t, try(c), at)
				}
				old, err = agent.Load(conf.Dir)
				require.NoError(t, err, at)
			}
			require.Zero(t, ca.Forks, at)
			stray, err := filepath.Glob(filepath.Join(conf.Dir, "gen-*", "*.tmp"))
			require.NoError(t, err)
			require.Empty(t, stray, at)
		}
	}
}

// An agent whose disk is full keeps the certificate that it has, says so again and
// again, and renews when there is room.
func TestDiskFullForDays(t *testing.T) {
	var full atomic.Bool
	change := func(c *agent.Config) {
		*c = agent.WithStep(*c, func(op, path string) error {
			if full.Load() && op != "remove" {
				return &os.PathError{Op: op, Path: path, Err: syscall.ENOSPC}
			}
			return nil
		})
	}
	inWorld(t, change, func(t *testing.T, w *world) {
		serial := w.agent.Credential().Serial()
		full.Store(true)
		after(20 * time.Hour)
		require.Equal(t, serial, w.agent.Credential().Serial())
		failed := w.events.all(agent.Failed)
		require.Greater(t, len(failed), 5)
		require.Less(t, len(failed), 60)
		require.ErrorIs(t, failed[len(failed)-1].Err, syscall.ENOSPC)
		full.Store(false)
		after(time.Hour)
		require.NotEqual(t, serial, w.agent.Credential().Serial())
		require.Len(t, w.ca.Issued(), 2)
		require.Zero(t, w.ca.Forks)
	})
}
