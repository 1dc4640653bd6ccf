package atna

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sources are the parts of the module that write entries.
var sources = []string{"../../../enroll", "../../../revoke", "../../../store", "../../../cmd"}

var actionForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*$`)

// made are actions that the sources put together, by the file that does.
var made = map[string][]string{
	"../../../enroll/refusals.go":              {"token.refuse", "certificate.refuse"}, // string(reason) + ".refuse"
	"../../../enroll/unissued.go":              {"certificate.refuse"},                 // the same
	"../../../cmd/internal/record/event.go":    {"access.connection", "access.request", "access.message", "access.association", "access.unknown"},
	"../../../store/alert/event.go":            {"alert.open", "alert.count", "alert.acknowledge", "alert.resolve"},
	"../../../cmd/internal/record/sealable.go": {"access.request"},
}

// planned are actions that have their line, and that nothing puts on record so far.
var planned []string

// Every action that the code puts on record has its codes here. An action is a constant
// where Action is set, where a parameter, a variable or a constant is called action, or
// what a function of that name returns; what is put together is listed above.
func TestEveryAction(t *testing.T) {
	found := make(map[string]gotoken.Position)
	unknown := make(map[string]gotoken.Position) // made of something, in files that are not listed
	fset := gotoken.NewFileSet()
	var files []*ast.File
	for _, dir := range sources {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			files = append(files, f)
			return err
		}))
	}
	takers := actionParameters(files)
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			for _, e := range actionExprs(n, takers) {
				at := fset.Position(e.Pos())
				switch e := e.(type) {
				case *ast.BasicLit:
					if s, err := strconv.Unquote(e.Value); err == nil && actionForm.MatchString(s) {
						found[s] = at
					}
				case *ast.BinaryExpr:
					if made[at.Filename] == nil {
						unknown[at.String()] = at
					}
				}
			}
			return true
		})
	}
	require.Empty(t, unknown, "list in made what these may be")
	require.Greater(t, len(found), 40, "the search finds what is there")
	for _, list := range made {
		for _, a := range list {
			found[a] = gotoken.Position{}
		}
	}
	for action, at := range found {
		if !strings.HasPrefix(action, accessPrefix) && rowOf(action).action == "" {
			t.Errorf("%s: %s has no line in actions.go: how is it told?", at, action)
		}
	}
	for _, r := range actions {
		if _, there := found[r.action]; !there && !slices.Contains(planned, r.action) && !strings.HasSuffix(r.action, ".") && r.action != "" && rowOf(r.action[:strings.IndexByte(r.action, '.')+1]).action == "" {
			t.Errorf("nothing puts %s on record: is it still called that?", r.action)
		}
	}
}

// actionParameters returns, by the names of functions, which of their parameters are
// called action.
func actionParameters(files []*ast.File) map[string][]int {
	takers := make(map[string][]int)
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			i := 0
			for _, p := range fn.Type.Params.List {
				for _, name := range p.Names {
					if isAction(name.Name) {
						takers[fn.Name.Name] = append(takers[fn.Name.Name], i)
					}
					i++
				}
			}
		}
	}
	return takers
}

func isAction(name string) bool {
	return name == "action" || strings.HasPrefix(name, "action") && name != "actions" || strings.HasPrefix(name, "Action") && name != "Actions" || strings.HasSuffix(name, "Action")
}

func isString(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "string"
}

// actionExprs returns what a node says that an action is.
func actionExprs(n ast.Node, takers map[string][]int) (out []ast.Expr) {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Action" {
			out = append(out, n.Value)
		}
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		for _, i := range takers[name] {
			if i < len(n.Args) {
				out = append(out, n.Args[i])
			}
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if id, ok := left.(*ast.Ident); ok && isAction(id.Name) && i < len(n.Rhs) {
				out = append(out, n.Rhs[i])
			}
			if sel, ok := left.(*ast.SelectorExpr); ok && sel.Sel.Name == "Action" && i < len(n.Rhs) {
				out = append(out, n.Rhs[i])
			}
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if isAction(name.Name) && i < len(n.Values) {
				out = append(out, n.Values[i])
			}
		}
	case *ast.FuncDecl:
		if isAction(n.Name.Name) && n.Body != nil && n.Type.Results != nil && isString(n.Type.Results.List[0].Type) {
			ast.Inspect(n.Body, func(n ast.Node) bool {
				if r, ok := n.(*ast.ReturnStmt); ok {
					out = append(out, r.Results...)
				}
				return true
			})
		}
	}
	return out
}

// The table is in order, each action once, and each row can be told.
func TestTable(t *testing.T) {
	names := make([]string, 0, len(actions))
	for _, r := range actions {
		names = append(names, r.action)
		require.NotEmpty(t, r.meaning, r.action)
		require.NotNil(t, r.event, r.action)
		require.NotNil(t, r.object, r.action)
		require.GreaterOrEqual(t, r.bad, r.ok, r.action)
		require.NotEqual(t, fine, r.bad, "%s: what is not ok is not fine", r.action)
	}
	require.True(t, slices.IsSorted(names))
	require.Len(t, slices.Compact(names), len(actions))
	for action, want := range map[string]string{
		"": "", "x": "", "certificate": "", "certificate.issued": "", "alert": "", "alert.x": "alert.", "alert.open": "alert.open", "alert.opened": "alert.",
	} {
		require.Equal(t, want, rowOf(action).action, action)
	}
}

// Strangers' text becomes writable at one place: no other file converts a string.
func TestCleaningAtOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	fset := gotoken.NewFileSet()
	cleaned := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "text" {
					if name == "clean.go" {
						cleaned++
					} else {
						t.Errorf("%s: only clean.go may make a text of a string", fset.Position(call.Pos()))
					}
				}
			}
			return true
		})
	}
	require.Positive(t, cleaned)
}
