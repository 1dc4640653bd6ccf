package api

import (
	"net/http"
	"strings"
)

// Bearer returns the token of the only Authorization header (RFC 6750, Section 2.1); ""
// if there is none, which is no good token either. More than one header is a
// [*BadRequestError].
func Bearer(r *http.Request) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return "", malformed("more than one Authorization header")
	}
	if len(values) == 0 {
		return "", nil
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	return strings.TrimLeft(token, " "), nil
}
