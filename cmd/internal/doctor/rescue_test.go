package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Of a database that was deleted or moved under a process that has it open it is said how it
// gets back, and who runs what is said has it back, with its log.
func TestRescue(t *testing.T) {
	const head = "SQLite format 3\x00"
	for _, tt := range []struct {
		name  string
		spoil string // of $F
		runs  bool   // the process goes on by itself
	}{
		{"deleted", `rm $F`, false},
		{"deleted with its log", `rm $F $F-wal`, false},
		{"its log deleted", `rm $F-wal`, false},
		{"another in its place", `echo other > $F.new; mv $F.new $F`, false},
		{"moved", `mv $F $F.away`, true},
		{"moved with its log", `mv $F $F.away; mv $F-wal $F.away-wal`, true},
		{"moved, and another in its place", `mv $F $F.away; echo other > $F`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := filepath.EvalSymlinks(t.TempDir())
			require.NoError(t, err)
			file := filepath.Join(dir, "ca.db")
			var held []*os.File
			for name, text := range map[string]string{file: head + "all of it", file + "-wal": "log"} {
				require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
				f, err := os.Open(name)
				require.NoError(t, err)
				held = append(held, f)
			}
			sh := func(command string) {
				cmd := exec.Command("sh", "-c", command)
				cmd.Env = append(os.Environ(), "F="+file)
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s: %s", command, out)
			}
			sh(tt.spoil)
			do := rescue(file, openFiles(fmt.Sprintf("/proc/%d/fd", os.Getpid())), "otherwise")
			first, then, stops := strings.Cut(do, "; then stop the daemon, run ")
			require.Equal(t, tt.runs, !stops, do)
			sh(commands(first))
			for _, f := range held {
				require.NoError(t, f.Close())
			}
			sh(commands(then))
			for name, text := range map[string]string{file: head + "all of it", file + "-wal": "log"} {
				got, err := os.ReadFile(name)
				require.NoError(t, err, do)
				require.Equal(t, text, string(got), do)
			}
		})
	}
	require.Equal(t, "otherwise", rescue("/nonexistent/ca.db", nil, "otherwise"))
}

// commands returns what is to be typed of a piece of advice.
func commands(advice string) string {
	_, after, found := strings.Cut(advice, "run ")
	if !found {
		after = advice
	}
	text, _, _ := strings.Cut(after, "; the daemon")
	return strings.TrimSuffix(text, ", and start it again")
}
