package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/store/audit/journal"
)

// kept makes a journal of n accesses over one connection, as a guard at one of its ends
// would, and returns its folder. Where change is true the payload is another.
func kept(t *testing.T, name string, b record.Bond, n int, change func(int) bool) string {
	dir := filepath.Join(t.TempDir(), name)
	j, err := journal.Open(journal.Config{Dir: dir, Identity: "hospital.example/" + name, KeyFile: dir + ".key"})
	require.NoError(t, err)
	for i := range n {
		r := record.Record{
			Begin: time.Now(), End: time.Now(), Caller: "spiffe://hospital.example/device/pump-7", Target: "pacs",
			Protocol: record.HTTP, Kind: record.Request, Operation: "PUT", Outcome: record.Allowed, Link: b.Link, Number: fmt.Sprint(i), Key: b.Key(fmt.Sprint(i)),
		}
		h := b.Digest(r.Number, record.ToTarget)
		fmt.Fprintf(h, "payload %d %v", i, change(i))
		r.Request = record.Digest(h.Sum(nil))
		require.NoError(t, record.Into(j).Keep(t.Context(), r))
	}
	require.NoError(t, j.Close())
	return dir
}

// Two guards' journals, or what was exported of them, match; a payload that was another
// at one end is named, and makes the tool fail.
func TestAuditMatch(t *testing.T) {
	bond := record.Unbound()
	same := func(int) bool { return false }
	a, b := kept(t, "a", bond, 5, same), kept(t, "b", bond, 4, same)
	flipped := kept(t, "c", bond, 5, func(i int) bool { return i == 3 })
	x := newTool(t)
	r := x.run("audit", "match", a, b, "--key-a", a+".key", "--key-b", b+".key")
	require.Zero(t, r.code, r.stderr)
	require.Contains(t, r.stderr, "4 matched, 0 mismatched, 0 without digests at both ends, 1 only in A, 0 only in B")

	export := filepath.Join(t.TempDir(), "c.jsonl")
	x.ok("audit", "export", "--journal", flipped, "--journal-key", flipped+".key", "--out", export)
	r = x.run("audit", "match", a, export, "--key-a", a+".key", "-o", "json")
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stderr, "4 matched, 1 mismatched")
	var got []match
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &got))
	require.Len(t, got, 1)
	require.Equal(t, record.Mismatched, got[0].Result)
	require.Equal(t, "3", got[0].Number)
	require.NotEqual(t, got[0].A.Request, got[0].B.Request)
	require.NotContains(t, r.stdout, bond.Key("3").Reveal())

	require.Equal(t, exitUsage, x.run("audit", "match", a).code)
	require.Equal(t, exitFailed, x.run("audit", "match", a, filepath.Join(a, "nothing"), "--key-a", a+".key").code)
	text, err := os.ReadFile(export)
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(export, text, 0o600))
	require.Equal(t, exitFailed, x.run("audit", "match", a, export, "--key-a", a+".key").code)
}

// A guard's journal is listed and verified where it is, and an export of it anywhere; the
// keys of its digests are not listed.
func TestAuditJournal(t *testing.T) {
	bond := record.Unbound()
	dir := kept(t, "a", bond, 3, func(int) bool { return false })
	x := newTool(t)
	key := []string{"--journal", dir, "--journal-key", dir + ".key"}
	out := x.ok(append([]string{"audit", "list", "--action", "access.request", "-o", "json"}, key...)...)
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Len(t, list, 3)
	require.NotContains(t, out, bond.Key("0").Reveal())
	require.Contains(t, x.ok(append([]string{"audit", "list"}, key...)...), "journal.open")
	require.Contains(t, x.ok(append([]string{"audit", "verify"}, key...)...), "verified 5 entries of hospital.example/a/journal/")

	export := filepath.Join(t.TempDir(), "part.jsonl")
	x.ok(append([]string{"audit", "export", "--from", "2", "--to", "3", "--out", export}, key...)...)
	require.Contains(t, x.ok("audit", "verify", export), "verified 2 entries")
	require.Equal(t, exitFailed, x.run(append([]string{"audit", "export", "--to", "99"}, key...)...).code)
	require.Equal(t, exitUsage, x.run("audit", "verify", "--journal", dir, "--key", "x").code)
	require.Equal(t, exitUsage, x.run("audit", "verify", export, "--journal", dir).code)
	require.Equal(t, exitFailed, x.run("audit", "verify", "--journal", dir).code) // without its key

	name := filepath.Join(dir, "000000000001.leaves")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	text[len(text)/2] ^= 1
	require.NoError(t, os.WriteFile(name, text, 0o600))
	r := x.run(append([]string{"audit", "verify", "-o", "json"}, key...)...)
	require.Equal(t, exitFailed, r.code)
	require.Contains(t, r.stdout, `"verified": false`)
}
