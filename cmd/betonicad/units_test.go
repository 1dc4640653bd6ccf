package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// The service manager takes our units without a word, and finds each little exposed: at
// most 1.5 of 10.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		storetest.LeaveOut(t, "systemd-analyze is not installed (systemd)")
	}
	bin, err := binaries()
	require.NoError(t, err)
	hardening, err := os.ReadFile("../../.dist/units/hardening")
	require.NoError(t, err)
	sources, err := filepath.Glob("../../.dist/units/*.*")
	require.NoError(t, err)
	require.NotEmpty(t, sources)

	dir := t.TempDir()
	var units []string
	for _, source := range sources {
		text, err := os.ReadFile(source)
		require.NoError(t, err)
		unit := strings.NewReplacer("@hardening@\n", string(hardening), "/usr/bin/betonica", filepath.Join(bin, "betonica")).Replace(string(text))
		file := filepath.Join(dir, filepath.Base(source))
		require.NoError(t, os.WriteFile(file, []byte(unit), 0o644))
		units = append(units, file)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, string(out))

	exposure := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)
	for _, unit := range units {
		if !strings.HasSuffix(unit, ".service") {
			continue
		}
		t.Run(filepath.Base(unit), func(t *testing.T) {
			out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", unit).CombinedOutput()
			require.NoError(t, err, "%s", out)
			found := exposure.FindSubmatch(out)
			require.NotNil(t, found, "%s", out)
			level, err := strconv.ParseFloat(string(found[1]), 64)
			require.NoError(t, err)
			require.LessOrEqual(t, level, 1.5, "%s", out)
		})
	}
}
