package strict_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/strict"
)

type file struct {
	Observe bool `toml:"observe"`
	Allow   []struct {
		Name  string `toml:"name"`
		Peers []string
		HTTP  *struct {
			Methods []string `toml:"methods"`
			Routes  []string `toml:"routes,omitempty"`
		} `toml:"http"`
		Own string `toml:"-"`
	} `toml:"allow"`
	Role map[string]struct {
		Fork *string `toml:"fork"`
	} `toml:"role"`
}

// What cannot be read is named with its place, and with the key that was meant.
func TestDecodeErrors(t *testing.T) {
	for text, want := range map[string]string{
		"[[allow]]\nnam = 'x'\n":                 `f:2:1: unknown key "allow.nam"; is it "name"?`,
		"[[allow]]\nhttp = {method = []}\n":      `f:2:9: unknown key "allow.http.method"; is it "methods"?`,
		"[[allow]]\n[allow.http]\nrouets = []\n": `f:3:1: unknown key "allow.http.rouets"; is it "routes"?`,
		"[role.x]\nfrok = 'a'\n":                 `f:2:1: unknown key "role.x.frok"; is it "fork"?`,
		"[role.x.y]\nfork = 'a'\n":               `f:1:2: unknown key "role.x.y"`,
		"obsreve = true\nzzz = 1\n":              "f:1:1: unknown key \"obsreve\"; is it \"observe\"?\nf:2:1: unknown key \"zzz\"",
		"observe = 'yes'\n":                      `f:1:11: "observe" cannot be of type string`,
		"[[allow]]\nown = 'x'\n":                 `f:2:1: unknown key "allow.own"`,
		"observe = true\nobserve = true\n":       `f:2:1: `,
		"[[allow]\n":                             `f:1:`,
		strings.Repeat("k", 200) + " = 1\n":      `f:1:1: unknown key "` + strings.Repeat("k", 128) + `..."`,
	} {
		err := strict.Decode("f", []byte(text), new(file))
		require.Error(t, err, text)
		require.True(t, strings.HasPrefix(err.Error(), want), "%s\nsays %s", text, err)
		require.NotContains(t, err.Error(), "struct")
	}
	require.NoError(t, strict.Decode("f", []byte("[[allow]]\nname = 'x'\nhttp.routes = ['/']\n"), new(file)))
}

// A path leads to its place through tables, lists of tables, dotted keys and inline
// tables, and as far as it goes where the rest is not there.
func TestPlace(t *testing.T) {
	const text = `observe = true
[[allow]]
name = "a"
[[allow]]
name = "b"
peers = [
  "x", "y",
  "z"]
http = { methods = ["GET"], routes = [ "/a", "/b" ] }
[[allow]]
hl7.messages = ["ADT^A01"]
[allow.dicom]
called = ["A"]
[role.x]
fork = "no"
[[list.inner]]
[[list.inner.deep]]
n = 1
[[list.inner.deep]]
n = 2
`
	for _, tt := range []struct {
		line, column int
		path         []any
	}{
		{1, 1, []any{"observe"}},
		{1, 11, []any{"observe", 0}},
		{3, 1, []any{"allow", 0, "name"}},
		{5, 1, []any{"allow", 1, "name"}},
		{5, 8, []any{"allow", 1, "name", 0}},
		{6, 1, []any{"allow", 1, "peers"}},
		{7, 8, []any{"allow", 1, "peers", 1}},
		{8, 3, []any{"allow", 1, "peers", 2}},
		{9, 1, []any{"allow", 1, "http"}},
		{9, 10, []any{"allow", 1, "http", "methods"}},
		{9, 46, []any{"allow", 1, "http", "routes", 1}},
		{11, 17, []any{"allow", 2, "hl7", "messages", 0}},
		{13, 11, []any{"allow", 2, "dicom", "called", 0}},
		{4, 3, []any{"allow", 1, "absent"}},
		{2, 3, []any{"allow", 0, "http", "routes", 1}},
		{15, 8, []any{"role", "x", "fork", 0}},
		{14, 2, []any{"role", "x", "keys", 3}},
		{20, 5, []any{"list", "inner", 0, "deep", 1, "n", 0}},
	} {
		line, column := strict.Place([]byte(text), tt.path...)
		require.Equal(t, []int{tt.line, tt.column}, []int{line, column}, "%v", tt.path)
	}
}

// Errors are told in the order of the file.
func TestJoin(t *testing.T) {
	text := []byte("a = 1\nb = [2, 3]\n")
	err := strict.Join([]*strict.Error{
		strict.At("f", text, errors.New("last"), "b", 1), strict.At("f", text, errors.New("first"), "a", 0), strict.At("f", text, errors.New("second"), "b")})
	require.EqualError(t, err, "f:1:5: first\nf:2:1: second\nf:2:9: last")
	require.NoError(t, strict.Join(nil))
}

// FuzzDecode: text of any kind is read or refused, with a place in it, and a place can
// be asked for in it.
func FuzzDecode(f *testing.F) {
	f.Add("[[allow]]\nname = 'x'\nhttp = {routes = ['/']}\n")
	f.Add("[role.x]\nfork = 'no'\nallow = [{name = 'x'}, {nam = 'y'}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		err := strict.Decode("f", []byte(text), new(file))
		line, column := strict.Place([]byte(text), "allow", 1, "http", "routes", 0)
		for _, e := range append([]error{err}, &strict.Error{Line: line, Column: column}) {
			if e, ok := errors.AsType[*strict.Error](e); ok {
				require.LessOrEqual(t, e.Line, 1+strings.Count(text, "\n"))
				require.Positive(t, e.Line)
				require.Positive(t, e.Column)
			}
		}
	})
}
