package ca

import (
	"errors"
	"fmt"
	"strings"
)

// DNSName returns s in the one form in which names are compared, recorded and
// granted: lower-case letters, digits and hyphens in labels of 1 to 63, at most
// 253 in all (RFC 1123, Section 2.1). It refuses wildcards, a trailing dot,
// underscores, U-labels (their A-labels pass) and anything that a resolver would
// read as an address.
func DNSName(s string) (string, error) {
	if s == "" || len(s) > 253 {
		return "", fmt.Errorf("DNS name has %d characters; it must have 1 to 253", len(s))
	}
	if strings.Contains(s, "*") {
		return "", fmt.Errorf("DNS name %q is a wildcard", s)
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if err := checkLabel(label); err != nil {
			return "", fmt.Errorf("DNS name %q: %w", s, err)
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" {
		return "", fmt.Errorf("DNS name %q ends like an IP address", s)
	}
	return strings.ToLower(s), nil // of ASCII by now: the Kelvin sign is no k
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("a label is empty")
	case len(label) > 63:
		return errors.New("a label is longer than 63 characters")
	case label[0] == '-' || label[len(label)-1] == '-':
		return errors.New("a label begins or ends with a hyphen")
	}
	for _, c := range []byte(label) {
		if !lower(c) && !upper(c) && !digit(c) && c != '-' {
			return errors.New("a label has a character outside a-z, A-Z, 0-9 and -")
		}
	}
	return nil
}
