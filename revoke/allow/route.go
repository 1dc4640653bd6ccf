package allow

import "strings"

// The bounds of a route that RouteOf makes.
const (
	maxSegments = 12
	maxWord     = 32 // characters of a segment that is kept
)

// RouteOf returns a route for the paths that are like this one: a segment that could
// name a patient, a device or anything else of many stands there as *, and so records
// may hold it. What stays are words in small letters, such as "beds" or "lab-results",
// and versions, such as "v2". A path goes in decoded and without its query; one that no
// rule covers comes back as "". At more than 12 segments the route ends in "/", for
// everything below; any other route is of as many segments as the path.
//
// That an API names patients by words, as /patients/smith does, cannot be told: give
// such an API a rule with a * there, and record the rule's route.
func RouteOf(path string) string {
	if !clean(path) {
		return ""
	}
	if path == "/" {
		return "/" + only
	}
	var route strings.Builder
	n := 0
	for segment := range strings.SplitSeq(path[1:], "/") {
		route.WriteByte('/')
		if n++; n > maxSegments {
			return route.String()
		}
		switch {
		case segment == "": // after the last /
			route.WriteString(only)
		case plain(segment):
			route.WriteString(segment)
		default:
			route.WriteByte('*')
		}
	}
	return route.String()
}

// plain reports whether a segment is a word or a version.
func plain(segment string) bool {
	if number, ok := strings.CutPrefix(segment, "v"); ok && len(number) > 0 && len(number) <= 2 && strings.Trim(number, "0123456789") == "" {
		return true
	}
	if len(segment) > maxWord {
		return false
	}
	for i := range len(segment) {
		if c := segment[i]; !lower(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}
