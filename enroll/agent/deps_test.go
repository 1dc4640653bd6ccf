package agent_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that imports this package links nothing but the standard library,
// three small packages of ours, and what verifies the log.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	require.ElementsMatch(t, []string{
		"github.com/betonica/betonica/enroll/agent",
		"github.com/betonica/betonica/enroll/api",
		"github.com/betonica/betonica/enroll/client",
		"github.com/betonica/betonica/store/audit/checkpoint",
		"golang.org/x/mod/sumdb/note",
		"golang.org/x/mod/sumdb/tlog",
	}, strings.Fields(string(out)))
}
