package main_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// A mention is one selector of a PromQL expression.
type mention struct {
	metric string
	labels map[string]string // of its matchers, with the operator before each value
}

// mentions returns the selectors of an expression. It knows as much of PromQL as it
// takes to tell a metric's name from a function, a keyword, a label, a duration and a
// text, in which there must be no brackets; whether the expression is well formed, promtool says.
func mentions(expr string) []mention {
	var all []mention
	rest := expr
	for rest != "" {
		r := rune(rest[0])
		switch {
		case r == '"' || r == '\'' || r == '`':
			_, rest, _ = strings.Cut(rest[1:], string(r))
		case r == '[':
			_, rest, _ = strings.Cut(rest, "]")
		case r == '{':
			var matchers string
			matchers, rest, _ = strings.Cut(rest[1:], "}")
			if len(all) > 0 {
				all[len(all)-1].labels = matchersOf(matchers)
			}
		case unicode.IsDigit(r):
			rest = strings.TrimLeft(rest, "0123456789abcdefghijklmnopqrstuvwxyz.") // a duration, too
		case r == '_' || r == ':' || unicode.IsLetter(r):
			name := identifier.FindString(rest)
			rest = strings.TrimLeft(rest[len(name):], " ")
			switch {
			case groupers[name]:
				if strings.HasPrefix(rest, "(") {
					_, rest, _ = strings.Cut(rest, ")")
				}
			case operators[name], strings.HasPrefix(rest, "("), aggregated.MatchString(rest): // an operator, a function, or sum by (...)
			default:
				all = append(all, mention{metric: name})
			}
		default:
			rest = rest[1:]
		}
	}
	return all
}

var (
	identifier = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	aggregated = regexp.MustCompile(`^(by|without)\b`)
	matcher    = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*"([^"]*)"`)

	// groupers are followed by labels in brackets, operators by an expression.
	groupers  = map[string]bool{"by": true, "without": true, "on": true, "ignoring": true, "group_left": true, "group_right": true}
	operators = map[string]bool{"and": true, "or": true, "unless": true, "bool": true, "offset": true, "inf": true, "nan": true}
)

func matchersOf(text string) map[string]string {
	all := map[string]string{}
	for _, m := range matcher.FindAllStringSubmatch(text, -1) {
		all[m[1]] = m[2] + m[3]
	}
	return all
}

// What is a metric in an expression, and what is not.
func TestMentions(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string][]mention{
		`up`:                                    {{"up", nil}},
		`up{job="a"} == 0`:                      {{"up", map[string]string{"job": "=a"}}},
		`rate(a_total{x=~"b|c",y!="d"}[5m])`:    {{"a_total", map[string]string{"x": "=~b|c", "y": "!=d"}}},
		`sum by (instance, le) (rate(a[5m]))`:   {{"a", nil}},
		`sum(a) by (b) > bool 1e3`:              {{"a", nil}},
		`a > on(instance) group_left() (3 * b)`: {{"a", nil}, {"b", nil}},
		`a and on(x) b or c unless d`:           {{"a", nil}, {"b", nil}, {"c", nil}, {"d", nil}},
		`time() - a offset 5m`:                  {{"a", nil}},
		`topk(10, max by (identity) (a:b))`:     {{"a:b", nil}},
		``:                                      nil,
	} {
		require.Equal(t, want, mentions(expr), expr)
	}
}
