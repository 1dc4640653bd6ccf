package enroll_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store/storetest"
)

// A policy that is set is in force and on record, under the next version; one that
// is in force already, or cannot be parsed, or replaces another than it means to,
// changes nothing.
func TestSetPolicy(t *testing.T) {
	c := enrolltest.New(t)
	require.Equal(t, int64(1), c.Policies.Current().Version())
	set := func(text string, replaces int64) error {
		_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), replaces)
		return err
	}
	require.NoError(t, set(enrolltest.Policy, enroll.AnyVersion))
	require.Equal(t, int64(1), c.Policies.Current().Version())
	require.NoError(t, set("[role.pump]", 1))
	require.Equal(t, int64(2), c.Policies.Current().Version())
	_, ok := c.Policies.Current().Role("pump")
	require.True(t, ok)
	record, err := c.Store.CurrentPolicy(t.Context())
	require.NoError(t, err)
	require.Equal(t, "[role.pump]", string(record.Text))
	require.Equal(t, "uid:0", record.Actor)
	require.Len(t, c.Audit("policy.change"), 1, "the first of all")
	require.Len(t, c.Audit("policy.bootstrap"), 1, "it lets more through")

	var conflict *enroll.ConflictError
	require.ErrorAs(t, set("[role.scale]", 1), &conflict)
	var bad *api.BadRequestError
	require.ErrorAs(t, set("[role.pump]\nlifetme = \"1h\"", enroll.AnyVersion), &bad)
	require.ErrorContains(t, bad, "policy.toml:2:1")
	require.Equal(t, int64(2), c.Policies.Current().Version())
}

// What the store says is in force, whoever set it: a second daemon on the same
// store hears of it when it asks.
func TestPolicyOfAnotherReplica(t *testing.T) {
	c := enrolltest.New(t)
	other, err := enroll.New(t.Context(), enroll.Config{Store: c.Store, Issuers: c.Issuers})
	require.NoError(t, err)
	require.Equal(t, c.Policies.Current().Digest(), other.Policies.Current().Digest())
	_, err = other.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.pump]"), 1)
	require.NoError(t, err)
	require.Equal(t, int64(1), c.Policies.Current().Version())
	_, err = c.Policies.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, other.Policies.Current().Digest(), c.Policies.Current().Digest())
}

// A policy file is loaded when it changes, and on SIGHUP; a bad one keeps the old
// policy in force, and a daemon that goes on with it.
func TestWatchPolicyFile(t *testing.T) {
	c := enrolltest.New(t)
	file := filepath.Join(t.TempDir(), "policy.toml")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	inForce := func(role string) func() bool {
		return func() bool { _, ok := c.Policies.Current().Role(role); return ok }
	}
	write("[role.pump]")
	newer := c.Now().Add(time.Second) // files have coarser clocks than records
	require.NoError(t, os.Chtimes(file, newer, newer))
	require.NoError(t, c.Policies.Start(t.Context(), enroll.Daemon(), file))
	require.True(t, inForce("pump")())

	ctx, cancel := context.WithCancel(t.Context())
	hup := make(chan os.Signal)
	done := make(chan error)
	go func() { done <- c.Policies.Watch(ctx, file, hup) }()
	write("[role.scale]")
	require.Eventually(t, inForce("scale"), 10*time.Second, 10*time.Millisecond, "the file changed")

	write("[role.bad")
	hup <- syscall.SIGHUP
	hup <- syscall.SIGHUP // taken when the first is done with
	require.True(t, inForce("scale")())
	require.NoError(t, os.Remove(file))
	hup <- syscall.SIGHUP
	hup <- syscall.SIGHUP
	require.True(t, inForce("scale")())
	write("[role.lamp]")
	hup <- syscall.SIGHUP
	hup <- syscall.SIGHUP
	require.True(t, inForce("lamp")())
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, "self", c.Audit("policy.bootstrap")[0].Actor)
}

// A daemon that starts loads its policy file, but for one that is older than the
// policy in force: that would undo what was set through the admin API.
func TestStartPolicyFile(t *testing.T) {
	c := enrolltest.New(t)
	file := filepath.Join(t.TempDir(), "policy.toml")
	require.Error(t, c.Policies.Start(t.Context(), enroll.Daemon(), file), "no file")
	require.NoError(t, os.WriteFile(file, []byte("[role.pump]"), 0o600))
	old := c.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(file, old, old))
	require.NoError(t, c.Policies.Start(t.Context(), enroll.Daemon(), file))
	require.Equal(t, int64(1), c.Policies.Current().Version())

	newer := c.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(file, newer, newer))
	require.NoError(t, c.Policies.Start(t.Context(), enroll.Daemon(), file))
	require.Equal(t, int64(2), c.Policies.Current().Version())
	require.NoError(t, os.WriteFile(file, []byte("[role.pump]\nx = 1"), 0o600))
	require.NoError(t, os.Chtimes(file, newer, newer))
	require.ErrorContains(t, c.Policies.Start(t.Context(), enroll.Daemon(), file), "policy.toml:2:1")
}

// Of two daemons on one store each takes over what the other sets, and has its own file
// say so, which is one change on record; a file that is a version of before does not
// bring that back by itself, but by whoever writes it anew.
func TestPolicyOverReplicas(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	other, err := enroll.New(t.Context(), enroll.Config{Store: c.Replica(), Issuers: c.Issuers})
	require.NoError(t, err)
	first, second := "[role.pump]", "[role.scale]"
	files := []string{filepath.Join(t.TempDir(), "policy.toml"), filepath.Join(t.TempDir(), "policy.toml")}
	write := func(i int, text string) { require.NoError(t, os.WriteFile(files[i], []byte(text), 0o640)) }
	says := func(i int, text string) func() bool {
		return func() bool { got, _ := os.ReadFile(files[i]); return string(got) == text }
	}
	write(0, first)
	newer := c.Now().Add(time.Second)
	require.NoError(t, os.Chtimes(files[0], newer, newer))
	write(1, first)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hup := make(chan os.Signal)
	var watching sync.WaitGroup
	for i, p := range []*enroll.Policies{c.Policies, other.Policies} {
		require.NoError(t, p.Start(t.Context(), enroll.Daemon(), files[i]))
		require.EqualValues(t, 2, p.Current().Version())
		watching.Go(func() { require.NoError(t, p.Watch(ctx, files[i], []chan os.Signal{nil, hup}[i])) })
	}

	write(0, second)
	require.Eventually(t, says(1, second), 10*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 3, other.Policies.Current().Version())
	info, err := os.Stat(files[1])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	hup <- syscall.SIGHUP
	hup <- syscall.SIGHUP // taken when the first is done with
	require.EqualValues(t, 3, other.Policies.Current().Version())

	again := filepath.Join(t.TempDir(), "policy.toml") // somebody goes back
	require.NoError(t, os.WriteFile(again, []byte(first), 0o640))
	require.NoError(t, os.Rename(again, files[1]))
	require.Eventually(t, says(0, first), 10*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 4, c.Policies.Current().Version())
	_, err = c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(second), 4)
	require.NoError(t, err)
	for i := range files {
		require.Eventually(t, says(i, second), 10*time.Second, 10*time.Millisecond)
	}
	require.Len(t, append(c.Audit("policy.change"), c.Audit("policy.bootstrap")...), 5)

	// Somebody goes back at the moment at which another replica goes on: his file stays his.
	require.NoError(t, os.WriteFile(again, []byte(first), 0o640))
	require.NoError(t, os.Rename(again, files[1]))
	_, err = c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.lamp]"), 5)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.Policies.Current().Version() == 7 && says(0, first)() }, 10*time.Second, 10*time.Millisecond)
	require.True(t, says(1, first)())
	cancel()
	watching.Wait()

	// While the daemon was away others went on: its file is of before, however new.
	write(0, second)
	newer = c.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(files[0], newer, newer))
	require.NoError(t, c.Policies.Start(t.Context(), enroll.Daemon(), files[0]))
	require.EqualValues(t, 7, c.Policies.Current().Version())
	require.True(t, says(0, first)())
}

// Who waits for a change of policy hears of it wherever it was made, and only then.
func TestPoliciesChanged(t *testing.T) {
	c := enrolltest.New(t)
	twin, _ := c.Twin()
	here, there := c.Registrar.Policies.Changed(), twin.Policies.Changed()
	closed := func(ch <-chan struct{}) bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
	current := c.Registrar.Policies.Current()
	_, err := c.Registrar.Policies.Refresh(t.Context())
	require.NoError(t, err)
	require.False(t, closed(here), "it is the same")
	next, err := c.Registrar.Policies.Set(t.Context(), enroll.Daemon(), "p.toml", []byte("[role.device]\n"), current.Version())
	require.NoError(t, err)
	require.True(t, closed(here))
	require.False(t, closed(c.Registrar.Policies.Changed()), "the next one")
	require.False(t, closed(there), "it has not heard of it")
	_, err = twin.Policies.Refresh(t.Context())
	require.NoError(t, err)
	require.True(t, closed(there))
	require.Equal(t, next.Version(), twin.Policies.Current().Version())
}
