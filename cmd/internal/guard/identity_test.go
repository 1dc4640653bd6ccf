package guard_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// What another process renews in the machine's directory is taken up, and what it breaks
// there leaves the certificate before in use; nobody becomes another machine while he
// runs.
func TestDirectory(t *testing.T) {
	ca := catest.New(t)
	conf := agent.Config{Dir: filepath.Join(t.TempDir(), "m"), URL: ca.URL}
	first, err := agent.Enroll(t.Context(), conf, ca.Token("device", "SN-1"))
	require.NoError(t, err)
	id, refresh, err := guard.OpenDirectory(conf.Dir, slog.New(slog.NewTextHandler(t.Output(), nil)))
	require.NoError(t, err)
	require.Equal(t, first.Certificate.Leaf.Raw, id.Certificate().Leaf.Raw)
	refresh(t.Context())
	require.Equal(t, first.Certificate.Leaf.Raw, id.Certificate().Leaf.Raw)

	second, _, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.Equal(t, first.Certificate.Leaf.Raw, id.Certificate().Leaf.Raw, "nobody has looked yet")
	refresh(t.Context())
	require.Equal(t, second.Certificate.Leaf.Raw, id.Certificate().Leaf.Raw)

	another := agent.Config{Dir: filepath.Join(t.TempDir(), "n"), URL: ca.URL}
	_, err = agent.Enroll(t.Context(), another, ca.Token("device", "SN-2"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(another.Dir, "gen-000001"), filepath.Join(conf.Dir, "gen-000050")))
	for _, target := range []string{"gen-000050", "gen-000099"} {
		require.NoError(t, os.Remove(filepath.Join(conf.Dir, "current")))
		require.NoError(t, os.Symlink(target, filepath.Join(conf.Dir, "current")))
		refresh(t.Context())
		require.Equal(t, second.Certificate.Leaf.Raw, id.Certificate().Leaf.Raw)
	}

	_, _, err = guard.OpenDirectory(t.TempDir(), slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, agent.ErrNotEnrolled)
}
