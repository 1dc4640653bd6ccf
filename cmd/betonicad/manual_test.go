package main

import (
	"cmp"
	"flag"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/manual"
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
