package web

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

const (
	badPath  = shape("path has more than one reading")
	badQuery = shape("malformed query")
)

// cleanPath decodes the path of a request target, once, and returns it if it has one
// reading only. It refuses, raw or encoded: a slash or backslash that is no separator,
// control characters, ';', '%' (which another decoding would take up), what is not
// UTF-8, and segments that are empty, "." or "..", but for a slash at the end.
func cleanPath(raw string) (string, error) {
	if raw == "" || raw[0] != '/' {
		return "", badTarget
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#;", c) >= 0 {
			return "", badPath
		}
	}
	path := raw
	if strings.IndexByte(raw, '%') >= 0 {
		for _, encoded := range []string{"%2f", "%2F", "%5c", "%5C", "%25", "%3b", "%3B"} {
			if strings.Contains(raw, encoded) {
				return "", badPath
			}
		}
		var err error
		if path, err = url.PathUnescape(raw); err != nil {
			return "", badPath
		}
	}
	if !utf8.ValidString(path) {
		return "", badPath
	}
	for i := range len(path) {
		if path[i] < ' ' || path[i] == 0x7f {
			return "", badPath
		}
	}
	segments := strings.TrimSuffix(path[1:], "/")
	if segments == "" && path != "/" {
		return "", badPath
	}
	for s := range strings.SplitSeq(segments, "/") {
		if s == "." || s == ".." || s == "" && path != "/" {
			return "", badPath
		}
	}
	return path, nil
}

// cleanTarget takes a request target apart: the decoded path, and the query as it came.
// An absolute target is one whose authority [parseHead] has compared with Host.
func cleanTarget(target string) (path, query string, err error) {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(target, scheme); ok {
			slash := strings.IndexByte(rest, '/')
			if slash < 0 {
				return "", "", badTarget
			}
			target = rest[slash:]
			break
		}
	}
	raw, query, _ := strings.Cut(target, "?")
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return "", "", badQuery
		}
	}
	path, err = cleanPath(raw)
	return path, query, err
}
