package compliance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is said to meet a demand exists: each check, each test, by its name and in its
// folder. And each check is there for a demand.
func TestDemands(t *testing.T) {
	checked := map[string]bool{}
	sources := map[string]string{}
	for _, d := range Demands() {
		require.NotEmpty(t, d.Cites, d.Asks)
		require.NotEmpty(t, d.Met, d.Asks)
		require.NotEmpty(t, d.Tests, "%s: nothing shows that the program does it", d.Asks)
		for _, cite := range d.Cites {
			require.Regexp(t, `^164\.3(08|12|16)\([a-z0-9]+\)`, cite)
		}
		for _, id := range d.Checks {
			_, ok := Checks().Check(id)
			require.True(t, ok, "%s: there is no check %s", d.Asks, id)
			checked[id] = true
		}
		for _, name := range d.Tests {
			folder, test, ok := strings.Cut(name, " ")
			require.True(t, ok, name)
			if sources[folder] == "" {
				sources[folder] = testsOf(t, folder)
			}
			require.True(t, strings.Contains(sources[folder], "\nfunc "+test+"("), "%s: there is no such test", name)
		}
	}
	for _, c := range Checks().Checks {
		require.True(t, checked[c.ID], "%s (%s) is there for no demand", c.ID, c.Title)
	}
	require.NotRegexp(t, `(?i)\bcompliant\b`, string(demandsFile))
	_, err := parseDemands([]byte("[[demand]]\nmeet = 'x'\n"))
	require.Error(t, err)
}

// testsOf returns the text of all tests of a folder.
func testsOf(t *testing.T, folder string) string {
	files, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
