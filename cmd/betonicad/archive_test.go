package main_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	betonicad "github.com/betonica/betonica/cmd/betonicad"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Entries that were archived are still of the log: it verifies, a list says where they
// are, an export has them. Where a file is gone each of the three says which.
func TestArchive(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	db, err := betonicad.OpenStore(t.Context(), dir)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 600 {
		wg.Go(func() {
			db.Update(t.Context(), func(*store.Tx) audit.Event {
				return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
			})
		})
	}
	wg.Wait()
	_, err = db.SignCheckpoint(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.ArchiveLog(t.Context(), time.Now().Add(store.SixYears+40*24*time.Hour)))
	segments, err := db.Segments(t.Context())
	require.NoError(t, err)
	require.Len(t, segments, 1)
	require.NoError(t, db.Close())

	d := serve(t, dir)
	require.Contains(t, run(t, "betonicad", "audit", "verify", "--dir", dir), "proved up to entry")
	list := func() (stdout, stderr string) {
		cmd, err := command("betonica", "audit", "list", "--socket", d.Socket, "-o", "ndjson")
		require.NoError(t, err)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		require.NoError(t, err, "%s", &errs)
		return string(out), errs.String()
	}
	out, note := list()
	require.Contains(t, note, "entries 1 to "+strconv.FormatInt(segments[0].Last, 10)+" are archived on the CA's host, in "+filepath.Join(dir, "archive"))
	require.NotContains(t, out, `"seq":7,`)

	export := func() (string, error) {
		cmd, err := command("betonica", "audit", "export", "--socket", d.Socket, "--from", "500", "--to", "520")
		require.NoError(t, err)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		return string(out) + errs.String(), err
	}
	bundle, err := export()
	require.NoError(t, err, bundle)
	file := filepath.Join(t.TempDir(), "bundle")
	require.NoError(t, os.WriteFile(file, []byte(bundle), 0o600))
	require.Contains(t, run(t, "betonica", "audit", "verify", file), "verified 21 entries")

	require.NoError(t, os.Remove(filepath.Join(dir, "archive", segments[0].File)))
	said, err := export()
	require.Error(t, err)
	require.Contains(t, said, segments[0].File)
	cmd, err := command("betonicad", "audit", "verify", "--dir", dir)
	require.NoError(t, err)
	verdict, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(verdict), "segment missing")
	require.Contains(t, string(verdict), segments[0].File)
}
