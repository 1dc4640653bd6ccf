package agent_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// choosy is a command that fails while the file at flag names the certificate that is
// in place, and writes down each that it ran for.
func choosy(dir string) []string {
	return []string{"/bin/sh", "-c", `echo $BETONICA_SERIAL >> ` + dir + `/runs; test "$(cat ` + dir + `/good)" = all || grep -q $BETONICA_SERIAL ` + dir + `/good`}
}

func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// A certificate that the program does not take is rolled back at once: the one of
// before is in place, the command ran for it again, and the CA was not told that the
// new one is in use. It is tried again, not renewed again; to force a renewal renews the
// new one, whose parent has its child already.
func TestRollBack(t *testing.T) {
	ca, dir := catest.New(t), t.TempDir()
	conf, events := config(t, ca)
	conf.Exec = choosy(dir)
	write(t, filepath.Join(dir, "good"), "all")
	old := mustEnroll(t, ca, conf)

	write(t, filepath.Join(dir, "good"), old.Serial())
	c, renewed, err := agent.Renew(t.Context(), conf, false)
	var held *agent.HeldError
	require.ErrorAs(t, err, &held)
	require.False(t, renewed)
	require.Equal(t, old.Serial(), c.Serial())
	require.Equal(t, old.Serial(), mustLoad(t, conf.Dir).Serial())
	require.Equal(t, old.Serial()+"\n"+held.Serial+"\n"+old.Serial()+"\n", read(t, dir, "runs"))
	require.False(t, ca.Issued()[held.Serial].Confirmed)
	require.Len(t, events.all(agent.RolledBack), 1)
	require.Empty(t, events.all(agent.Failed))
	status, err := agent.ReadStatus(conf.Dir)
	require.NoError(t, err)
	require.Equal(t, agent.Rollback, status.State)

	// Not before its time.
	_, _, err = agent.Renew(t.Context(), conf, true)
	require.ErrorAs(t, err, &held)
	require.Len(t, ca.Issued(), 2)
	require.Len(t, events.all(agent.RolledBack), 1)

	// Again, by force: the one that is held back is the parent.
	first := held.Serial
	_, _, err = agent.Renew(t.Context(), conf, false)
	require.ErrorAs(t, err, &held)
	require.Equal(t, first, ca.Issued()[held.Serial].Parent)
	require.Equal(t, old.Serial(), mustLoad(t, conf.Dir).Serial())
	require.Zero(t, ca.Forks)

	write(t, filepath.Join(dir, "good"), "all")
	c, renewed, err = agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.True(t, renewed)
	require.True(t, ca.Issued()[c.Serial()].Confirmed)
	require.Zero(t, ca.Forks)
}

// A running agent tries what it rolled back again and again, ever more slowly, takes
// it when the program does, and asks the CA for nothing meanwhile. It does not go back to
// a certificate that ends: the new one stays then, liked or not.
func TestRollBackAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good"), "all")
	inWorld(t, func(c *agent.Config) { c.Exec = choosy(dir) }, func(t *testing.T, w *world) {
		old := w.agent.Credential().Serial()
		write(t, filepath.Join(dir, "good"), old)
		after(14*time.Hour + 4*time.Hour)
		require.Equal(t, old, w.agent.Credential().Serial())
		require.Equal(t, old, mustLoad(t, w.conf.Dir).Serial())
		rolled := w.events.all(agent.RolledBack)
		require.Greater(t, len(rolled), 4)
		require.Less(t, len(rolled), 60)
		require.Len(t, w.ca.Issued(), 2)
		for serial, r := range w.ca.Issued() {
			require.Equal(t, serial == old, r.Confirmed)
		}

		write(t, filepath.Join(dir, "good"), "all")
		after(time.Hour + time.Minute)
		taken := w.agent.Credential().Serial()
		require.NotEqual(t, old, taken)
		require.True(t, w.ca.Issued()[taken].Confirmed)
		require.Len(t, w.ca.Issued(), 2)

		write(t, filepath.Join(dir, "good"), "none")
		after(24 * time.Hour)
		now := w.agent.Credential()
		require.NotEqual(t, taken, now.Serial())
		require.True(t, time.Now().Before(now.NotAfter()))
		require.True(t, w.ca.Issued()[now.Serial()].Confirmed) // it is in use, whatever the program says
		require.Zero(t, w.ca.Forks)
	})
}

// A program that is not healthy with a new certificate is given time, and then the old
// one.
func TestHealth(t *testing.T) {
	dir := t.TempDir()
	change := func(c *agent.Config) {
		c.Health, c.ExecTimeout = []string{"/bin/sh", "-c", "echo x >> " + dir + "/tries; test $(wc -l < " + dir + "/tries) -ge 5"}, 20*time.Second
	}
	inWorld(t, change, func(t *testing.T, w *world) {
		after(5 * time.Second)
		require.Equal(t, "x\nx\nx\nx\nx\n", read(t, dir, "tries"))
		require.Len(t, w.events.all(agent.HookRan), 1)
		old := w.agent.Credential().Serial()
		write(t, filepath.Join(dir, "tries"), "")
		require.NoError(t, os.Chmod(dir, 0o500))
		if os.Getuid() == 0 {
			require.NoError(t, os.Remove(filepath.Join(dir, "tries")))
			require.NoError(t, os.Mkdir(filepath.Join(dir, "tries"), 0o700)) // nobody writes there
		}
		after(14*time.Hour + time.Minute)
		require.Equal(t, old, w.agent.Credential().Serial())
		require.ErrorContains(t, w.events.all(agent.RolledBack)[0].Err, "not healthy within 20s")
		require.NoError(t, os.Chmod(dir, 0o700))
	})
}
