package allow

import (
	"fmt"
	"strings"
)

// A pattern names some IDs of one trust domain. It is an ID in which each * in the role
// or in the name stands for one or more characters other than '/' and '.'; or an ID
// without a name, which names the whole of a role. The zero pattern names nobody.
type pattern struct {
	trustDomain, role string
	name              string // "": every name
}

func parsePattern(text string) (pattern, error) {
	whole := false
	id, err := split(text)
	if err != nil {
		whole = true
		id, err = split(text + "/x")
	}
	if err != nil {
		return pattern{}, fmt.Errorf("%q is not of the form spiffe://TRUST-DOMAIN/ROLE/NAME or spiffe://TRUST-DOMAIN/ROLE", clip(text))
	}
	// The trust domain is left as it is, and so has no *: another CA's word counts
	// nothing here.
	plain := ID{id.trustDomain, strings.ReplaceAll(id.role, "*", "x"), strings.ReplaceAll(id.name, "*", "x")}
	if err := plain.check(); err != nil {
		return pattern{}, fmt.Errorf("%q: %w", clip(text), err)
	}
	if strings.Contains(text, "**") {
		return pattern{}, fmt.Errorf("%q has two * beside each other", clip(text))
	}
	p := pattern(id)
	if whole {
		p.name = ""
	}
	return p, nil
}

func (p pattern) match(id ID) bool {
	return p.trustDomain == id.trustDomain && // which the zero ID has not
		match(p.role, id.role, "/.") && (p.name == "" || match(p.name, id.name, "/."))
}

// match reports whether the whole of text is what pattern says, where * stands for one
// or more bytes that are not in stops. After a * it goes on, and on a mismatch comes
// back to the last * only, to let it eat one byte more: its cost is bounded by the
// product of the lengths.
func match(pattern, text, stops string) bool {
	literal := strings.IndexByte(pattern, '*')
	if literal < 0 {
		return pattern == text
	}
	if len(text) < literal || text[:literal] != pattern[:literal] {
		return false // what most patterns come to, at once
	}
	pattern, text = pattern[literal:], text[literal:]
	star, resume := -1, 0 // where the last * was, and the byte after what it ate
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*' && strings.IndexByte(stops, text[t]) < 0:
			star, resume = p, t+1
			p, t = p+1, t+1
		case p < len(pattern) && pattern[p] != '*' && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0 && strings.IndexByte(stops, text[resume]) < 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return p == len(pattern)
}
