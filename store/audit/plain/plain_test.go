package plain

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// No text of a stranger's begins a line, moves a cursor or turns text around; what it
// was can still be told.
func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, out string }{
		{"", ""},
		{"GET", "GET"},
		{"ADT^A01\rEVN|", `ADT^A01\x0dEVN|`},
		{"a\nlevel=ERROR msg=x", `a\x0alevel=ERROR msg=x`},
		{"\x1b[2J", `\x1b[2J`},
		{"nul\x00del\x7f", `nul\x00del\x7f`},
		{"c1\u0085nel", `c1\u0085nel`},
		{"a\u202egpj", `a\u202egpj`},
		{"zero\u200bwidth\ufeff", `zero\u200bwidth\ufeff`},
		{"line\u2028break", `line\u2028break`},
		{"nbsp\u00a0", `nbsp\u00a0`},
		{"bad\xff\xc3", `bad\xff\xc3`},
		{"\ufffd is a rune", "\ufffd is a rune"},
		{"Müller 漢", "Müller 漢"},
		{`"<&>'`, `"<&>'`},
		{"\U000e0001tag", `\ue0001tag`},
	} {
		require.Equal(t, tt.out, Clean(tt.in, 100), "%q", tt.in)
	}
}

// A field has an end, at a whole character or a whole escape, and says that there was
// more.
func TestCleanBounds(t *testing.T) {
	for _, s := range []string{strings.Repeat("a", 100), strings.Repeat("é", 100), strings.Repeat("\n", 100), strings.Repeat("漢\xff", 100)} {
		for max := 3; max < 40; max++ {
			got := Clean(s, max)
			require.LessOrEqual(t, len(got), max)
			require.True(t, strings.HasSuffix(got, More))
			require.True(t, utf8.ValidString(got))
			require.Zero(t, strings.Count(strings.ReplaceAll(strings.ReplaceAll(got, `\x0a`, ""), `\xff`, ""), `\`), got)
			require.Equal(t, got, Clean(got, max))
		}
	}
	require.Equal(t, strings.Repeat("a", 64), Clean(strings.Repeat("a", 64), 64))
}

// FuzzClean: whatever comes in, what is kept is printable, valid and within its bound,
// and cleaning it again changes nothing.
func FuzzClean(f *testing.F) {
	f.Add("GET\n", 8)
	f.Add("\xf0\x9f\x98", 3)
	f.Fuzz(func(t *testing.T, s string, max int) {
		max = 3 + max&0x3ff
		got := Clean(s, max)
		require.LessOrEqual(t, len(got), max)
		require.True(t, utf8.ValidString(got))
		require.True(t, printable(got), "%q", got)
		require.Equal(t, got, Clean(got, max))
	})
}
