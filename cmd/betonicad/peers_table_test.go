package main_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	peersFile  = "../../testdata/peers/README.md"
	peersBegin = "<!-- peers: written by go test ./cmd/betonicad -run '^TestPeers$' -update-peers -->"
	peersEnd   = "<!-- end of peers -->"
	peersHead  = "| server | version | learns by | good | revoked | revoked later | needs | recipe |\n|---|---|---|---|---|---|---|---|\n"
)

// A row is what TestPeers saw of one server.
type row struct {
	server, version, method, good, revoked, later, wants string
}

func (r row) text(folder string) string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | [%s](%[8]s/) |\n", r.server, r.version, r.method, r.good, r.revoked, r.later, r.wants, folder)
}

// A peersTable is the table of peers as it stands in a file.
type peersTable struct {
	before, after string
	rows          map[string]string // by folder
}

func readPeersTable(t *testing.T) *peersTable {
	text, err := os.ReadFile(peersFile)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), peersBegin+"\n")
	require.True(t, found)
	table, after, found := strings.Cut(rest, peersEnd)
	require.True(t, found)
	p := &peersTable{before: before, after: after, rows: map[string]string{}}
	for line := range strings.Lines(strings.TrimPrefix(table, peersHead)) {
		if cells := strings.Split(line, "| ["); len(cells) == 2 {
			folder, _, _ := strings.Cut(cells[1], "]")
			p.rows[folder] = line
		}
	}
	return p
}

// see compares what was seen with what stands there, but for how long it took; or
// replaces it.
func (p *peersTable) see(t *testing.T, folder string, seen row) {
	if *updatePeers {
		p.rows[folder] = seen.text(folder)
		return
	}
	stands := strings.Split(p.rows[folder], " | ")
	saw := strings.Split(seen.text(folder), " | ")
	const later = 5
	if len(stands) == len(saw) {
		stands[later] = saw[later]
	}
	require.Equal(t, saw, stands, "the table in %s is not what was seen: go test ./cmd/betonicad -run '^TestPeers$' -update-peers", peersFile)
}

// done writes the table if it is to; otherwise it has a row for each recipe and no
// other, and what the main README says is of it.
func (p *peersTable) done(t *testing.T) {
	if t.Failed() {
		return
	}
	text := p.before + peersBegin + "\n" + peersHead
	for _, r := range recipes {
		text += p.rows[r.folder]
	}
	text += peersEnd + p.after
	if *updatePeers {
		require.NoError(t, os.WriteFile(peersFile, []byte(text), 0o644))
	}
	stands, err := os.ReadFile(peersFile)
	require.NoError(t, err)
	require.Equal(t, text, string(stands))
}

// brief is the table's short form, for the main README: which server refuses how soon.
func (p *peersTable) brief() string {
	servers := map[string][]string{} // by how soon
	for _, r := range recipes {
		cells := strings.Split(p.rows[r.folder], " | ")
		if len(cells) < 6 {
			continue
		}
		by := ", by OCSP"
		if r.hooked {
			by = ", by lists and a hook of `betonica agent`"
		}
		servers[cells[5]+by] = append(servers[cells[5]+by], strings.TrimPrefix(cells[0], "| ")+" "+cells[1])
	}
	text := "| refuses whoever was revoked | seen with |\n|---|---|\n"
	for _, soon := range slices.Sorted(maps.Keys(servers)) {
		text += fmt.Sprintf("| %s | %s |\n", soon, strings.Join(servers[soon], ", "))
	}
	return text
}

// The README's table of peers is the one of testdata/peers.
func TestPeersReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "<!-- peers -->\n")
	require.True(t, found)
	table, _, found := strings.Cut(rest, peersEnd)
	require.True(t, found)
	require.Equal(t, readPeersTable(t).brief(), table)
}

// Each recipe is a folder with a page for its operator, and each folder is a recipe.
func TestPeersRecipes(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir("../../testdata/peers")
	require.NoError(t, err)
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
			require.FileExists(t, "../../testdata/peers/"+e.Name()+"/README.md")
		}
	}
	var known []string
	for _, r := range recipes {
		known = append(known, r.folder)
	}
	slices.Sort(known)
	require.Equal(t, known, folders)
}

// classOf rounds how long it took to what another machine may expect. A full list is
// signed once a second at most, so that one glance says little about lists: it takes
// from none to some seconds.
func classOf(took time.Duration) string {
	switch {
	case took <= 100*time.Millisecond:
		return "within 0.1 s"
	case took <= 3*time.Second:
		return "within 3 s"
	case took <= 10*time.Second:
		return "within 10 s"
	}
	return "within a minute"
}
