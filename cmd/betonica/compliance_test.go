package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// The folder of a report is new, its owner's alone, and whole or not there: whatever the
// daemon sends, and whatever somebody has put in its place.
func TestWriteFiles(t *testing.T) {
	file := func(name string) adminapi.ComplianceFile {
		return adminapi.ComplianceFile{Name: name, Text: []byte("x")}
	}
	at := t.TempDir()
	out := filepath.Join(at, "made", "evidence")
	for name, files := range map[string][]adminapi.ComplianceFile{
		"above": {file("a"), file("../x")}, "absolute": {file("/x")}, "below": {file("a/b")}, "elsewhere": {file(`a\b`)},
		"itself": {file(".")}, "parent": {file("..")}, "no name": {file("")}, "twice": {file("a"), file("a")},
	} {
		require.Error(t, writeFiles(out, files), name)
		left, err := os.ReadDir(filepath.Dir(out))
		require.NoError(t, err)
		require.Empty(t, left, name)
	}
	require.NoError(t, writeFiles(out, []adminapi.ComplianceFile{file("a"), file("b")}))
	for path, mode := range map[string]os.FileMode{out: 0o700, filepath.Join(out, "a"): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
	left, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	require.Len(t, left, 1)

	empty, link, nowhere := filepath.Join(at, "empty"), filepath.Join(at, "link"), filepath.Join(at, "nowhere")
	require.NoError(t, os.Mkdir(empty, 0o777))
	require.NoError(t, os.Symlink(empty, link))
	require.NoError(t, os.Symlink(filepath.Join(at, "gone"), nowhere))
	for _, path := range []string{out, empty, link, nowhere} {
		var conflict *conflictError
		require.ErrorAs(t, writeFiles(path, []adminapi.ComplianceFile{file("a")}), &conflict, path)
	}
	left, err = os.ReadDir(empty)
	require.NoError(t, err)
	require.Empty(t, left)
	require.NoFileExists(t, filepath.Join(at, "gone"))
}
