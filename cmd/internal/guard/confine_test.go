package guard_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/landlock-lsm/go-landlock/landlock/syscall"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
)

// inside is set in the process that TestConfine confines.
const inside = "BETONICA_TEST_CONFINE"

// A guard that somebody took over reads no file beside its own, writes none beside its
// state and its journal, and still finds what it needs.
func TestConfine(t *testing.T) {
	if dir := os.Getenv(inside); dir != "" {
		confined(t, dir)
		return
	}
	if _, err := syscall.LandlockGetABIVersion(); err != nil {
		t.Skip("left out: this kernel has no landlock")
	}
	dir := t.TempDir()
	for _, name := range []string{"machine/guard", "machine/journal", "conf", "others"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "file"), nil, 0o600))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestConfine$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "confined by landlock")
}

func confined(t *testing.T, dir string) {
	at := func(name string) string { return filepath.Join(dir, name, "file") }
	require.NoError(t, guard.Confine(t.Context(), guard.Config{
		Dir: filepath.Join(dir, "machine"), Rules: filepath.Join(dir, "conf", "rules.toml"),
		Routes: []guard.Route{{Name: "a", Listen: ":0", Backend: "tcp://127.0.0.1:1"}},
	}, slog.New(slog.NewTextHandler(os.Stdout, nil))))
	for _, name := range []string{"machine", "machine/guard", "machine/journal", "conf"} {
		if name != "machine" {
			_, err := os.ReadFile(at(name))
			require.NoError(t, err)
		}
		err := os.WriteFile(at(name), []byte("x"), 0o600)
		if name == "machine/guard" || name == "machine/journal" {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, os.ErrPermission, name)
		}
	}
	_, err := os.ReadFile(at("others"))
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = os.ReadFile("/etc/passwd")
	require.ErrorIs(t, err, os.ErrPermission)
	_, err = os.ReadFile("/etc/hosts")
	require.NoError(t, err)
}
