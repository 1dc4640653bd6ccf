package ca_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// A * stands for at least one character and stops at a dot, so that who may make
// pump-* cannot make pump-7.icu.
func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"SN-1", "SN-1", true},
		{"SN-1", "sn-1", false},
		{"SN-1", "SN-12", false},
		{"*", "SN-1", true},
		{"*", "", false},
		{"*", "a.b", false},
		{"*", "a/b", false},
		{"*", "*", false},
		{"*.*", "a.b", true},
		{"*.*", "a", false},
		{"*.*", "a.b.c", false},
		{"pump-*", "pump-7", true},
		{"pump-*", "pump-", false},
		{"pump-*", "pump-7.icu", false},
		{"*-icu", "pump-7-icu", true},
		{"*-icu", "-icu", false},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "abXc", false},
		{"a*b.*", "axxb.c", true},
		{"a*b.*", "ax.b.c", false},
	} {
		t.Run(tt.pattern+" "+tt.name, func(t *testing.T) {
			p, err := ca.ParsePattern(tt.pattern)
			require.NoError(t, err)
			require.Equal(t, tt.want, p.Match(tt.name))
			require.Equal(t, tt.pattern, p.String())
			require.Equal(t, !strings.Contains(tt.pattern, "*"), p.Exact())
		})
	}
	for _, bad := range []string{"", "**", "a**", "a/b", "a b", ".", "..", "ä", "a?", "[a]", strings.Repeat("a", 65)} {
		_, err := ca.ParsePattern(bad)
		require.Error(t, err, bad)
	}
	require.False(t, ca.Pattern{}.Match(""))
	require.False(t, ca.Pattern{}.Exact())
}

// The matcher agrees with a regular expression of the same meaning.
func TestPatternAgainstRegexp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(alphabet string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[random.IntN(len(alphabet))]
		}
		return string(b)
	}
	matched := 0
	for range 50_000 {
		pattern, name := word("ab.**", 1+random.IntN(8)), word("ab.", random.IntN(12))
		p, err := ca.ParsePattern(pattern)
		if err != nil {
			continue
		}
		expr := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^./]+`)
		want := regexp.MustCompile(`^(?:` + expr + `)$`).MatchString(name)
		require.Equal(t, want, p.Match(name), "%q %q", pattern, name)
		if want {
			matched++
		}
	}
	require.Greater(t, matched, 100)
}

// No pattern takes long on any name.
func BenchmarkPattern(b *testing.B) {
	p, err := ca.ParsePattern(strings.Repeat("*a", 32))
	require.NoError(b, err)
	name := strings.Repeat("a", 63) + "b"
	for b.Loop() {
		p.Match(name)
	}
}
