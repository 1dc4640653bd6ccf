package main_test

import (
	"go/types"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/tools/go/packages"
)

// callers says which packages alone may use what signs for others, outside the
// package that declares it.
var callers = map[string]string{
	"(*" + module + "ca.Authority).Issue":          "enroll",
	"(*" + module + "ca.Authority).SignCRL":        "revoke",
	"(*" + module + "ca.Authority).IssueResponder": "revoke",
	"(*" + module + "ca.Root).SignCRL":             "revoke",
	"(*" + module + "ca.Root).IssueResponder":      "revoke",
	"(*" + module + "ca.Root).NextIntermediate":    "cmd/betonicad enroll/enrolltest",
}

// A certificate is issued only by the funnel, and a statement about one only by
// package revoke: nothing else calls what signs them, or takes it as a value.
func TestFunnel(t *testing.T) {
	t.Parallel()
	pkgs, err := packages.Load(&packages.Config{
		Mode: packages.LoadSyntax,
	}, module+"...")
	require.NoError(t, err)
	require.Zero(t, packages.PrintErrors(pkgs))

	used := make(map[string]bool)
	for _, p := range pkgs {
		name := strings.TrimPrefix(p.PkgPath, module)
		for ident, object := range p.TypesInfo.Uses {
			f, ok := object.(*types.Func)
			if !ok {
				continue
			}
			only, guarded := callers[f.FullName()]
			if !guarded || f.Pkg().Path() == p.PkgPath {
				continue
			}
			used[f.FullName()] = true
			if !slices.Contains(strings.Fields(only), name) {
				t.Errorf("%s: only %s may use %s", p.Fset.Position(ident.Pos()), only, f.FullName())
			}
		}
	}
	for f := range callers {
		require.True(t, used[f], "nothing uses %s: is it still called that?", f)
	}
}
