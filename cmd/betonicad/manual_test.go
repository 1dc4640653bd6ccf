package main

import (
	"cmp"
	"flag"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/manual"
	"github.com/betonica/betonica/store/compliance"
)

var manualDir = flag.String("manual", "", "write the manual pages into this `directory`")

// Every command has a manual page, which man(1) has nothing against. With -manual they
// are kept, for the packages.
func TestManual(t *testing.T) {
	t.Parallel()
	dir := cmp.Or(*manualDir, t.TempDir())
	pages, err := manual.Write(commands(environment{io.Discard, io.Discard, func(string) string { return "" }}), dir)
	require.NoError(t, err)
	require.Contains(t, pages, filepath.Join(dir, "betonicad-audit-verify.1"))
}

// What a check of the safeguards tells people to run, there is.
func TestWhatToDo(t *testing.T) {
	t.Parallel()
	root := commands(environment{io.Discard, io.Discard, func(string) string { return "" }})
	named := 0
	for _, c := range compliance.Checks().Checks {
		require.Empty(t, manual.Unknown(root, c.Do+" "+c.Untested), c.ID)
		named += strings.Count(c.Do, root.Name()+" ")
	}
	require.Greater(t, named, 3)
	require.Equal(t, []string{"betonicad sing", "betonicad rotate --rooot"}, manual.Unknown(root, "Run betonicad sing, or betonicad rotate --rooot."))
}
