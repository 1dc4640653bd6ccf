package main

import (
	"cmp"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/manual"
	"github.com/betonica/betonica/store/compliance"
)

var manualDir = flag.String("manual", "", "write the manual pages into this `directory`")

// Every command has a manual page, which man(1) has nothing against. With -manual they
// are kept, for the packages.
func TestManual(t *testing.T) {
	dir := cmp.Or(*manualDir, t.TempDir())
	env := environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }, now: time.Now}
	pages, err := manual.Write(commands(env), dir)
	require.NoError(t, err)
	require.Contains(t, pages, filepath.Join(dir, "betonica-guard-run.1"))
}

// What a check of the safeguards tells people to run, there is.
func TestWhatToDo(t *testing.T) {
	t.Parallel()
	root := commands(environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }, now: time.Now})
	named := 0
	for _, c := range compliance.Checks().Checks {
		require.Empty(t, manual.Unknown(root, c.Do+" "+c.Untested), c.ID)
		named += strings.Count(c.Do, root.Name()+" ")
	}
	require.Greater(t, named, 10)
	require.Equal(t, []string{"betonica power lend", "betonica identity attest --long"}, manual.Unknown(root, "Run betonica power lend, or betonica identity attest NAME --long."))
}
