package allow

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An HTTPRule names requests of HTTP.
type HTTPRule struct {
	// Methods are in capital letters, such as GET. HEAD is not GET.
	Methods []string

	// Routes are paths, in which each * stands for one or more characters other than
	// '/', and a / at the end for everything below; /{$} at the end is that / itself.
	Routes []string
}

func (h *HTTPRule) check(c *checker) {
	c.list("http.methods", h.Methods, func(m string) error {
		if m == "" || strings.Trim(m, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return fmt.Errorf("%q is not a method in capital letters", clip(m))
		}
		return nil
	})
	c.list("http.routes", h.Routes, func(route string) error {
		if strings.HasSuffix(route, "/"+only) {
			route = strings.TrimSuffix(route, only)
		}
		if !clean(route) || strings.Contains(route, "**") {
			return fmt.Errorf("%q is not a route: a path from / on, with no empty, . or .. segment, and no %%, ;, \\ or **", clip(route))
		}
		return nil
	})
}

func (h *HTTPRule) covers(r *Request) bool {
	return clean(r.Path) && listed(h.Methods, r.Method) &&
		some(h.Routes, func(route string) bool { return route == everything || matchRoute(route, r.Path) })
}

// only, after the / at a route's end, takes its meaning from it.
const only = "{$}"

// matchRoute compares segment for segment, so far as the route says any.
func matchRoute(route, path string) bool {
	if exact, ok := strings.CutSuffix(route, only); ok && strings.HasSuffix(exact, "/") {
		return match(exact, path, "/")
	}
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
