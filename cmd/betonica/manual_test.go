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
