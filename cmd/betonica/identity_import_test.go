package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// importsAs has the daemon say of each line what say says, and returns all that it got.
func (d *daemon) importsAs(say func(l adminapi.ImportLine) adminapi.ImportResult) *[]adminapi.ImportRequest {
	var got []adminapi.ImportRequest
	d.does(func(w http.ResponseWriter, r *http.Request) {
		var req adminapi.ImportRequest
		d.mu.Lock()
		body := d.calls[len(d.calls)-1].body
		d.mu.Unlock()
		json.Unmarshal([]byte(body), &req)
		got = append(got, req)
		var out struct {
			Results []adminapi.ImportResult `json:"results"`
		}
		for _, l := range req.Lines {
			out.Results = append(out.Results, say(l))
		}
		json.NewEncoder(w).Encode(out)
	})
	return &got
}

func inventoryOf(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "devices.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func numbered(n int) string {
	var text strings.Builder
	text.WriteString("serial,owner\n")
	for i := range n {
		fmt.Fprintf(&text, "SN-%d,icu\n", i)
	}
	return text.String()
}

// A long list goes to the daemon in parts; lines that it does not take are reported with
// their numbers, in each form, and the exit code says that there are some.
func TestImport(t *testing.T) {
	x, d := talk(t)
	got := d.importsAs(func(l adminapi.ImportLine) adminapi.ImportResult {
		switch l.Serial {
		case "SN-3":
			return adminapi.ImportResult{Status: adminapi.LineUnchanged}
		case "SN-600":
			return adminapi.ImportResult{Status: adminapi.LineDiffers, Identity: "gateway/SN-600", Detail: `owner is "a", not "icu"`}
		case "SN-1000":
			return adminapi.ImportResult{Status: adminapi.LineRefused, Detail: "name: \x1b[2J"}
		}
		return adminapi.ImportResult{Status: adminapi.LineImported}
	})
	file := inventoryOf(t, numbered(1200)+"too,many,cells\n")
	out := x.run("identity", "import", file, "--role", "gateway")
	require.Equal(t, exitFailed, out.code)
	require.Len(t, *got, 3)
	require.Len(t, (*got)[0].Lines, adminapi.MaxImport)
	require.Equal(t, "gateway", (*got)[2].Role)
	require.Equal(t, adminapi.ImportLine{Serial: "SN-1000", Owner: "icu"}, (*got)[2].Lines[0])
	require.Contains(t, out.stderr, file+`:602: SN-600: differs: owner is "a", not "icu"`)
	require.Contains(t, out.stderr, file+":1002: SN-1000: refused: name: ")
	require.Contains(t, out.stderr, file+":1202: refused: it has 3 cells")
	require.NotContains(t, out.stderr, "\x1b")
	require.Equal(t, "lines      1201\nimported   1197\nunchanged  1\ndiffer     1\nrefused    2\n", out.stdout)

	out = x.run("identity", "import", file, "-o", "ndjson")
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	require.Len(t, lines, 4)
	require.JSONEq(t, `{"line":602,"serial":"SN-600","identity":"gateway/SN-600","status":"differs","detail":"owner is \"a\", not \"icu\""}`, lines[0])
	require.JSONEq(t, `{"total":1201,"imported":1197,"unchanged":1,"differ":1,"refused":2}`, lines[3])
	out = x.run("identity", "import", file, "-o", "json")
	var tally importTally
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &tally))
	require.Len(t, tally.Problems, 3)

	out = x.run("identity", "import", inventoryOf(t, numbered(700)), "--dry-run")
	require.Equal(t, exitConflict, out.code)
	require.True(t, (*got)[len(*got)-1].DryRun)
	require.Contains(t, out.stdout, "would be imported  698\n")
}

// What was not taken is reported in the order of the file, be it the tool or the daemon that
// refused it.
func TestImportOrder(t *testing.T) {
	x, d := talk(t)
	d.importsAs(func(adminapi.ImportLine) adminapi.ImportResult {
		return adminapi.ImportResult{Status: adminapi.LineRefused, Detail: "no"}
	})
	out := x.run("identity", "import", inventoryOf(t, "serial\nSN-1\ntoo,many\nSN-2\nSN-3\na,b\n"), "-o", "ndjson")
	var order []int
	for line := range strings.Lines(out.stdout) {
		var woe importWoe
		require.NoError(t, json.Unmarshal([]byte(line), &woe))
		order = append(order, woe.Line)
	}
	require.Equal(t, []int{2, 3, 4, 5, 6, 0}, order, "and the tally")
}

// However long lines are, no request is larger than the daemon takes.
func TestImportLong(t *testing.T) {
	x, d := talk(t)
	got := d.importsAs(func(adminapi.ImportLine) adminapi.ImportResult {
		return adminapi.ImportResult{Status: adminapi.LineImported}
	})
	x.ok("identity", "import", inventoryOf(t, "serial\n"+strings.Repeat(strings.Repeat("<", maxInventoryLine-10)+"\n", 60)))
	n := 0
	for _, c := range d.asked() {
		require.Less(t, len(c.body), adminapi.MaxBody)
	}
	for _, req := range *got {
		n += len(req.Lines)
	}
	require.Equal(t, 60, n)
}

// A daemon that goes away ends it, with what was done so far, and the advice to go on.
func TestImportEnds(t *testing.T) {
	x, d := talk(t)
	n := 0
	d.does(func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 2 {
			panic(http.ErrAbortHandler)
		}
		var out struct {
			Results [adminapi.MaxImport]adminapi.ImportResult `json:"results"`
		}
		for i := range out.Results {
			out.Results[i].Status = adminapi.LineImported
		}
		json.NewEncoder(w).Encode(out)
	})
	out := x.run("identity", "import", inventoryOf(t, numbered(1200)))
	require.Equal(t, exitUnreachable, out.code)
	require.Contains(t, out.stdout, "imported   500\n")
	require.Contains(t, out.stderr, "run the same command again")
}

// A file without columns is a mistake of whoever typed its name, and nothing is sent.
func TestImportUsage(t *testing.T) {
	x, d := talk(t)
	require.Equal(t, exitUsage, x.run("identity", "import", inventoryOf(t, "4711,ward 3\n")).code)
	require.Empty(t, d.asked())
}
