package allow

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A Rule says who may do what. It is plain text, as it stands in a file, and takes
// effect through [ParseRules].
type Rule struct {
	// Name is how records refer to the rule. It may be empty.
	Name string

	// Peers are patterns as [ParsePeers] takes them; at least one.
	Peers []string

	// Methods are HTTP methods in capital letters, such as GET. HEAD is not GET. Nil is
	// every method; a list without any is an error.
	Methods []string

	// Routes are paths, in which each * stands for one or more characters other than
	// '/', and a / at the end for everything below. Nil is every path; a list without
	// any is an error.
	Routes []string
}

// Rules are what is allowed: whatever none of them names is denied. The zero Rules
// allow nothing.
type Rules struct {
	rules []rule
}

type rule struct {
	name    string
	peers   Peers
	methods []string // nil: every one
	routes  []string // nil: every one
}

// ParseRules checks every rule and puts them together.
func ParseRules(rules ...Rule) (Rules, error) {
	var all Rules
	for i, r := range rules {
		one, err := r.parse()
		if err != nil {
			return Rules{}, fmt.Errorf("rule %d %q: %w", i+1, r.Name, err)
		}
		all.rules = append(all.rules, one)
	}
	return all, nil
}

func (r Rule) parse() (rule, error) {
	peers, err := ParsePeers(r.Peers...)
	if err != nil {
		return rule{}, err
	}
	if r.Methods != nil && len(r.Methods) == 0 || r.Routes != nil && len(r.Routes) == 0 {
		return rule{}, errors.New("an empty list allows nothing; leave it out to allow everything")
	}
	for _, m := range r.Methods {
		if m == "" || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return rule{}, fmt.Errorf("%q is not a method in capital letters", clip(m))
		}
	}
	for _, route := range r.Routes {
		if !clean(route) || strings.Contains(route, "**") {
			return rule{}, fmt.Errorf("%q is not a route: a path from / on, with no empty, . or .. segment, and no %%, ;, \\ or **", clip(route))
		}
	}
	return rule{r.Name, peers, r.Methods, r.Routes}, nil
}

// Admits reports whether any rule lets id do anything: whether it is worth a connection.
func (r Rules) Admits(id ID) bool {
	for i := range r.rules {
		if r.rules[i].peers.Match(id) {
			return true
		}
	}
	return false
}

// Match reports whether id may use a method on a path, and returns the name of the
// first rule that says so. The path is the decoded one of the request, without its
// query; one that a server might read in another way than it is written (with empty, .
// or .. segments, with %, ;, \ or control characters, not UTF-8) is denied whatever the
// rules say.
func (r Rules) Match(id ID, method, path string) (name string, allowed bool) {
	if !clean(path) {
		return "", false
	}
	for i := range r.rules {
		if one := &r.rules[i]; one.does(method, path) && one.peers.Match(id) {
			return one.name, true
		}
	}
	return "", false
}

func (r *rule) does(method, path string) bool {
	return anyOf(r.methods, func(m string) bool { return m == method }) &&
		anyOf(r.routes, func(route string) bool { return matchRoute(route, path) })
}

// anyOf reports whether one of list is so, or there is no list.
func anyOf(list []string, is func(string) bool) bool {
	for _, s := range list {
		if is(s) {
			return true
		}
	}
	return list == nil
}

// matchRoute compares segment for segment, so far as the route says any.
func matchRoute(route, path string) bool {
	if below, ok := strings.CutSuffix(route, "/"); ok {
		end := 0 // of as many segments of path as the route has
		for range strings.Count(route, "/") {
			n := strings.IndexByte(path[end:], '/')
			if n < 0 {
				return false
			}
			end += n + 1
		}
		return match(below, path[:end-1], "/")
	}
	return match(route, path, "/")
}

// clean reports whether a path has one reading only.
func clean(path string) bool {
	segments, ok := strings.CutPrefix(path, "/")
	if !ok || !utf8.ValidString(path) {
		return false
	}
	for i := range len(path) {
		if c := path[i]; c < ' ' || c == 0x7f || c == '%' || c == ';' || c == '\\' {
			return false
		}
	}
	segments = strings.TrimSuffix(segments, "/")
	if segments == "" {
		return path == "/"
	}
	for s := range strings.SplitSeq(segments, "/") {
		if s == "" || s == "." || s == ".." {
			return false
		}
	}
	return true
}
