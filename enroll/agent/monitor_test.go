package agent_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

func heldSize(t *testing.T, dir string) int64 {
	v, err := checkpoint.NewVerifier(strings.TrimSpace(read(t, dir, "log/key")))
	require.NoError(t, err)
	c, err := checkpoint.Open(read(t, dir, "log/checkpoint"), v)
	require.NoError(t, err)
	return c.Size
}

// A log that grows is followed: with each renewal, and every few hours.
func TestFollowsLog(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		require.EqualValues(t, 1, heldSize(t, w.conf.Dir))
		other := w.conf
		other.Dir, other.Events = t.TempDir(), nil
		_, err := agent.Enroll(t.Context(), other, w.ca.Token("device", "SN-2"))
		require.NoError(t, err)
		require.EqualValues(t, 1, heldSize(t, w.conf.Dir))
		after(6 * time.Hour)
		require.EqualValues(t, 2, heldSize(t, w.conf.Dir))
		after(9 * time.Hour)
		require.EqualValues(t, 3, heldSize(t, w.conf.Dir))
		after(10 * 24 * time.Hour)
		asked := count(w.ca.Seen(), "GET /v1/checkpoint")
		require.Greater(t, asked, 10*24/9)
		require.Less(t, asked, 11*24/3)
		require.Empty(t, w.events.all(agent.Failed))
		require.Empty(t, w.events.all(agent.Forked))
	})
}

// A log that signs another history is noticed, within hours and at each renewal; both notes are kept, once, signed as they were; it is said again
// and again; the certificate is renewed all the same.
func TestForkedLog(t *testing.T) {
	for _, size := range []int{1, 2, 5, 40} {
		inWorld(t, nil, func(t *testing.T, w *world) {
			held := read(t, w.conf.Dir, "log/checkpoint")
			w.ca.Lock()
			w.ca.Log.Fork(size)
			w.ca.Unlock()
			after(6 * time.Hour)
			forked := w.events.all(agent.Forked)
			require.NotEmpty(t, forked)
			fork, ok := errors.AsType[*agent.ForkError](forked[0].Err)
			require.True(t, ok)
			require.Equal(t, held, read(t, fork.Held))
			require.Equal(t, w.conf.Dir, filepath.Dir(filepath.Dir(fork.Held)))
			v, err := checkpoint.NewVerifier(strings.TrimSpace(read(t, w.conf.Dir, "log/key")))
			require.NoError(t, err)
			seen, err := checkpoint.Open(read(t, fork.Seen), v)
			require.NoError(t, err)
			require.EqualValues(t, size, seen.Size)
			require.Equal(t, held, read(t, w.conf.Dir, "log/checkpoint")) // what we hold it to

			first, err := os.Stat(fork.Seen)
			require.NoError(t, err)

			after(36 * time.Hour)
			last, err := os.Stat(fork.Seen)
			require.NoError(t, err)
			require.True(t, os.SameFile(first, last)) // written once
			require.Greater(t, len(w.events.all(agent.Forked)), 42/9+1)
			require.Len(t, w.events.all(agent.Renewed), 3)
			require.LessOrEqual(t, len(names(t, filepath.Join(w.conf.Dir, "log"))), 2+4*2) // the log grew with each renewal
		})
	}
}

// However often a log contradicts itself, the evidence does not fill the disk.
func TestEvidenceBounded(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	mustEnroll(t, ca, conf)
	for size := 2; size < 22; size++ {
		ca.Lock()
		ca.Log.Fork(size)
		ca.Unlock()
		_, _, err := agent.Renew(t.Context(), conf, false)
		require.NoError(t, err)
	}
	require.Len(t, events.all(agent.Forked), 20)
	require.Len(t, names(t, filepath.Join(conf.Dir, "log")), 2+2*16)
}

// A CA cannot escape by leaving out the proof, or by another key; a smaller log
// is reported, and what is held stays.
func TestEvasion(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	mustEnroll(t, ca, conf)
	mustEnroll(t, ca, conf)
	require.EqualValues(t, 2, heldSize(t, conf.Dir))
	held := read(t, conf.Dir, "log/checkpoint")
	swap := func(change func(*api.EnrollResponse)) {
		t.Helper()
		ca.Lock()
		ca.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == api.PathRenew {
				ca.Rewrite(w, r, change)
				return true
			}
			return false
		}
		ca.Unlock()
		_, _, err := agent.Renew(t.Context(), conf, false)
		require.NoError(t, err)
		require.Equal(t, held, read(t, conf.Dir, "log/checkpoint"))
	}
	swap(func(r *api.EnrollResponse) { r.Checkpoint.Proof = nil })
	require.Len(t, events.all(agent.Forked), 1)
	swap(func(r *api.EnrollResponse) { r.Checkpoint.Proof, r.Checkpoint.Since = nil, 0 })
	require.Len(t, events.all(agent.Forked), 2)
	require.Empty(t, events.all(agent.Failed))

	other := catest.NewLog(t, "hospital.example/log")
	other.Fork(9)
	swap(func(r *api.EnrollResponse) { *r.Checkpoint = other.Checkpoint(0) })
	require.ErrorContains(t, events.all(agent.Failed)[0].Err, "checkpoint")
	swap(func(r *api.EnrollResponse) { r.Checkpoint.Proof = []string{"x"} })
	require.ErrorContains(t, events.all(agent.Failed)[1].Err, "consistency proof")
	ca.Lock()
	ca.Log.Fork(0)
	ca.Unlock()
	swap(func(*api.EnrollResponse) {})
	failed := events.all(agent.Failed)
	require.ErrorIs(t, failed[len(failed)-1].Err, checkpoint.ErrOlder)
}

// A log of another origin than the trust domain's is not followed.
func TestForeignLog(t *testing.T) {
	ca := catest.New(t)
	ca.Log = catest.NewLog(t, "other.example/log")
	conf, events := config(t, ca)
	mustEnroll(t, ca, conf)
	require.ErrorContains(t, events.all(agent.Failed)[0].Err, `"hospital.example/log"`)
	require.NoFileExists(t, filepath.Join(conf.Dir, "log", "key"))
}

// A directory that is enrolled with another CA holds that one's log to nothing
// that the first one said; evidence stays.
func TestAnotherCA(t *testing.T) {
	first, second := catest.New(t), catest.New(t)
	conf, events := config(t, first)
	mustEnroll(t, first, conf)
	evidence := filepath.Join(conf.Dir, "log", "fork-0.held")
	require.NoError(t, os.WriteFile(evidence, nil, 0o600))
	conf.URL = second.URL
	mustEnroll(t, second, conf)
	require.Equal(t, second.Log.Key+"\n", read(t, conf.Dir, "log/key"))
	require.Empty(t, events.all(agent.Failed))
	require.FileExists(t, evidence)
	require.Equal(t, []int64{0}, second.Since)
}
