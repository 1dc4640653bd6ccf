package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// revokesMany has the daemon say of each item what say says.
func (d *daemon) revokesMany(say func(i int, item adminapi.RevocationItem) adminapi.RevocationResult) {
	n := 0
	d.does(func(w http.ResponseWriter, r *http.Request) {
		var req adminapi.RevokeManyRequest
		d.mu.Lock()
		body := d.calls[len(d.calls)-1].body
		d.mu.Unlock()
		json.Unmarshal([]byte(body), &req)
		var out struct {
			Results []adminapi.RevocationResult `json:"results"`
		}
		for _, item := range req.Items {
			out.Results = append(out.Results, say(n, item))
			n++
		}
		json.NewEncoder(w).Encode(out)
	})
}

// fileOf writes n identities to a file, a line each.
func fileOf(t *testing.T, n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "device/pump-%d\n", i)
	}
	path := filepath.Join(t.TempDir(), "list.txt")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	return path
}

// A long file goes to the daemon in parts, and at the end stands what became of all
// of it, each line that was not carried out with its number.
func TestRevokeFrom(t *testing.T) {
	x, d := talk(t)
	d.revokesMany(func(i int, item adminapi.RevocationItem) adminapi.RevocationResult {
		switch i {
		case 3:
			return adminapi.RevocationResult{Status: adminapi.ItemAlready}
		case 4:
			return adminapi.RevocationResult{Status: adminapi.ItemUnknown}
		case 700:
			return adminapi.RevocationResult{Status: adminapi.ItemFailed, Detail: "not for you"}
		}
		return adminapi.RevocationResult{Status: adminapi.ItemRevoked, Certificates: 2, Number: int64(1000 + i)}
	})
	file := fileOf(t, 1201)
	r := x.run("revoke", "--from", file, "--yes", "-o", "json")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, file+":5: device/pump-4: is not on record\n")
	require.Contains(t, r.stderr, file+":701: device/pump-700: not for you\n")
	require.Contains(t, r.stderr, "1198 revoked (2396 certificates), 1 already, 1 unknown, 1 failed\n")
	require.Contains(t, r.stderr, "next:  see why, and run the same command again")
	var out tally
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &out))
	require.Equal(t, tally{
		Total: 1201, Revoked: 1198, Already: 1, Unknown: 1, Failed: 1, Certificates: 2396, Number: 2200,
		Problems: []trouble{{5, "device/pump-4", "unknown", ""}, {701, "device/pump-700", "failed", "not for you"}},
	}, out)
	require.Len(t, d.asked(), 3)
	require.NotContains(t, r.stderr, "[#", "there is no terminal")
}

// A dry run says so to the daemon and to the person; all well is exit code 0, and what
// is not on record 5.
func TestRevokeFromDryRun(t *testing.T) {
	x, d := talk(t)
	d.revokesMany(func(int, adminapi.RevocationItem) adminapi.RevocationResult {
		return adminapi.RevocationResult{Status: adminapi.ItemRevoked, Certificates: 1}
	})
	x.stdin = "device/pump-1 superseded\ndevice/pump-1 superseded\n"
	r := x.run("revoke", "--from", "-", "--dry-run")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Equal(t, `{"items":[{"identity":"device/pump-1","reason":"superseded"}],"dry_run":true}`, d.asked()[0].body)
	require.Equal(t, "1 would be revoked (1 certificate), 0 already, 0 unknown, 0 failed; 1 line repeats what others say\n", r.stderr)
	require.Contains(t, r.stdout, "revoked       1\n")

	d.revokesMany(func(int, adminapi.RevocationItem) adminapi.RevocationResult {
		return adminapi.RevocationResult{Status: adminapi.ItemUnknown}
	})
	require.Equal(t, exitNotFound, x.run("revoke", "--from", "-", "--yes").code)
}

// Nothing is done before the whole file makes sense, nor without a yes, nor where the
// command line says two things.
func TestRevokeFromRefuses(t *testing.T) {
	x, d := talk(t)
	d.says(http.StatusOK, "{}")
	file := fileOf(t, 3)
	bad := filepath.Join(t.TempDir(), "bad.txt")
	require.NoError(t, os.WriteFile(bad, []byte("device/pump-1\nnonsense\n"), 0o600))
	for _, args := range [][]string{
		{"--from", bad, "--yes"}, {"--from", file}, {"--from", "-"}, {"--from", file, "--yes", "device/pump-1"},
		{"--from", file, "--yes", "--serial", aSerial}, {"--from", file, "--yes", "--reason", "stolen"}, {"--from", file, "--wait", "--dry-run"}, {},
	} {
		r := x.run(append([]string{"revoke"}, args...)...)
		require.Equal(t, exitUsage, r.code, "%q %s", args, r.stderr)
		require.Empty(t, d.asked(), "%q", args)
	}
}

// Where the daemon goes away in the middle, what is done is told, and that the same
// command goes on from there.
func TestRevokeFromInterrupted(t *testing.T) {
	x, d := talk(t)
	file := fileOf(t, 1100)
	n := 0
	d.does(func(w http.ResponseWriter, r *http.Request) {
		if n++; n > 1 {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, `{"results":[`+strings.TrimSuffix(strings.Repeat(`{"status":"revoked","certificates":1,"number":7},`, 500), ",")+`]}`)
	})
	r := x.run("revoke", "--from", file, "--yes")
	require.Equal(t, exitUnreachable, r.code)
	require.Contains(t, r.stderr, "500 revoked")
	require.Contains(t, r.stderr, "600 of 1100 were not come to")
	require.Contains(t, r.stderr, "next:  run the same command again")
	require.Contains(t, r.stdout, "left          600\n")

	ctx, cancel := context.WithCancel(t.Context())
	d.does(func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	require.Equal(t, exitCancelled, x.runContext(ctx, "revoke", "--from", file, "--yes").code)

	d.says(http.StatusOK, `{"results":[]}`)
	require.Equal(t, exitFailed, x.run("revoke", "--from", file, "--yes").code)
}

// A terminal is found behind what keeps control characters from it; a file is none.
func TestNewProgressLine(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer terminal.Close()
	require.Equal(t, terminal, newProgressLine(&cleanWriter{terminal}).to)
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer file.Close()
	require.Nil(t, newProgressLine(&cleanWriter{file}).to)
}

// The bar fills as far as it is.
func TestRevokeBar(t *testing.T) {
	require.Equal(t, "[..............................] 0 of 10", (&tally{Total: 10, Left: 10}).bar())
	require.Equal(t, "[###############...............] 5 of 10", (&tally{Total: 10, Left: 5}).bar())
	require.Equal(t, "[##############################] 10 of 10", (&tally{Total: 10}).bar())
	require.Equal(t, "[..............................] 0 of 0", (&tally{}).bar())
	require.Equal(t, "[##############################]", bar(12, 10), "of a file that has grown")
}
