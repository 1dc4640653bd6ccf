package journal

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func list(t *testing.T, dir string) (names []string) {
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func copyFile(t *testing.T, from, to string) {
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, 0o600))
}

// What lies where a file is made has no say in its mode, and in where it goes.
func TestReplaceIsOurs(t *testing.T) {
	for name, lies := range map[string]func(string) error{
		"readable by all": func(name string) error { return os.WriteFile(name, nil, 0o644) },
		"a link":          func(name string) error { return os.Symlink(filepath.Join(filepath.Dir(name), "elsewhere"), name) },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "master")
			require.NoError(t, lies(file+".new"))
			require.NoError(t, replace(file, []byte("secret")))
			info, err := os.Lstat(file)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
			require.Equal(t, []string{"master"}, list(t, filepath.Dir(file)))
		})
	}
}
