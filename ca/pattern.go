package ca

import (
	"fmt"
	"strings"
)

// A Pattern matches the names of identities within a role. It is a name in
// which each * stands for one or more characters other than '.', so that
// "pump-*" covers "pump-7" but not "pump-7.icu". The zero Pattern matches
// nothing.
type Pattern struct {
	text string
}

// ParsePattern reads a pattern: 1 to 64 of [A-Za-z0-9._-] and *, with no two *
// beside each other.
func ParsePattern(s string) (Pattern, error) {
	if strings.Contains(s, "**") {
		return Pattern{}, fmt.Errorf("name pattern %q has two * beside each other", clip(s))
	}
	if err := checkName(strings.ReplaceAll(s, "*", "x")); err != nil {
		return Pattern{}, fmt.Errorf("name pattern %q: must be 1 to %d of A-Z, a-z, 0-9, ., _, - and *", clip(s), maxPart)
	}
	return Pattern{text: s}, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Exact reports whether the pattern has no *, and so matches one name only.
func (p Pattern) Exact() bool { return p.text != "" && !strings.Contains(p.text, "*") }

// Match reports whether the pattern covers the whole of name. Its cost is bounded
// by the product of their lengths.
func (p Pattern) Match(name string) bool {
	return p.text != "" && match(p.text, name)
}

// match walks both strings at once. After a * it goes on, and on a mismatch comes
// back to the last * only, to let it eat one byte more: no recursion, no
// exponential case.
func match(pattern, name string) bool {
	star, resume := -1, 0 // where the last * was, and the name's byte after what it ate
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*' && starByte(name[n]):
			star, resume = p, n+1
			p, n = p+1, n+1
		case p < len(pattern) && pattern[p] == name[n] && name[n] != '*':
			p, n = p+1, n+1
		case star >= 0 && starByte(name[resume]):
			p, n = star+1, resume+1
			resume++
		default:
			return false
		}
	}
	return p == len(pattern)
}

// starByte reports whether a * may stand for c.
func starByte(c byte) bool { return c != '.' && c != '/' && c != '*' }
