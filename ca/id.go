package ca

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// maxPart is the longest trust domain, role or name, in characters: they become
// O, OU and CN of a certificate, which RFC 5280, Appendix A.1 bounds at 64.
const maxPart = 64

const scheme = "spiffe://"

// An ID names one machine or person for ever:
// spiffe://<trust domain>/<role>/<name>. It is a SPIFFE ID of exactly two path
// segments. IDs are comparable with ==; the zero ID names nobody.
type ID struct {
	trustDomain, role, name string
}

// NewID joins the parts of an ID, each of 1 to 64 characters: trustDomain is a
// lower-case DNS name, role is of [a-z0-9-] and name is of [A-Za-z0-9._-].
func NewID(trustDomain, role, name string) (ID, error) {
	if err := checkTrustDomain(trustDomain); err != nil {
		return ID{}, err
	}
	if err := checkRole(role); err != nil {
		return ID{}, err
	}
	if err := checkName(name); err != nil {
		return ID{}, err
	}
	return ID{trustDomain: trustDomain, role: role, name: name}, nil
}

// ParseID reads an ID from its URI. There is one spelling: no upper-case scheme,
// port, user, query, fragment, escape or trailing slash.
func ParseID(uri string) (ID, error) {
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return ID{}, fmt.Errorf("%q is not of the form spiffe://TRUST-DOMAIN/ROLE/NAME", clip(uri))
	}
	trustDomain, path, _ := strings.Cut(rest, "/")
	return ParsePath(trustDomain, path)
}

// ParsePath reads an ID from what [ID.Path] returned and its trust domain.
func ParsePath(trustDomain, path string) (ID, error) {
	role, name, ok := strings.Cut(path, "/")
	if !ok {
		return ID{}, fmt.Errorf("%q is not of the form ROLE/NAME", clip(path))
	}
	return NewID(trustDomain, role, name)
}

// TrustDomain returns the trust domain, such as "hospital.example".
func (id ID) TrustDomain() string { return id.trustDomain }

// Role returns the role, such as "device".
func (id ID) Role() string { return id.role }

// Name returns the name within the role, such as "SN-0042".
func (id ID) Name() string { return id.name }

// Path returns the ID without its trust domain, such as "device/SN-0042": how
// people and the store call it. It is empty for the zero ID.
func (id ID) Path() string {
	if id.IsZero() {
		return ""
	}
	return id.role + "/" + id.name
}

// String returns the ID as the URI that a certificate carries, and "" for the
// zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	return scheme + id.trustDomain + "/" + id.role + "/" + id.name
}

// URL returns [ID.String] as a URL.
func (id ID) URL() *url.URL {
	return &url.URL{Scheme: "spiffe", Host: id.trustDomain, Path: "/" + id.Path()}
}

// IsZero reports whether id names nobody.
func (id ID) IsZero() bool { return id == ID{} }

// checkTrustDomain refuses what could not be the host of a URI under name
// constraints (RFC 5280, Section 4.2.1.10: a fully qualified domain name, not an
// address).
func checkTrustDomain(s string) error {
	normal, err := DNSName(s)
	switch {
	case err != nil:
		return fmt.Errorf("trust domain: %w", err)
	case normal != s:
		return fmt.Errorf("trust domain %q is not in lower case", s)
	case len(s) > maxPart:
		return fmt.Errorf("trust domain is longer than %d characters", maxPart)
	}
	return nil
}

func checkRole(s string) error {
	if len(s) == 0 || len(s) > maxPart {
		return fmt.Errorf("role has %d characters; it must have 1 to %d", len(s), maxPart)
	}
	for _, c := range []byte(s) {
		if !lower(c) && !digit(c) && c != '-' {
			return fmt.Errorf("role %q has a character outside a-z, 0-9 and -", s)
		}
	}
	return nil
}

func checkName(s string) error {
	if len(s) == 0 || len(s) > maxPart {
		return fmt.Errorf("name has %d characters; it must have 1 to %d", len(s), maxPart)
	}
	for _, c := range []byte(s) {
		if !nameByte(c) {
			return fmt.Errorf("name %q has a character outside A-Z, a-z, 0-9, ., _ and -", s)
		}
	}
	if s == "." || s == ".." { // SPIFFE ID, Section 2.2: no relative segments
		return errors.New(`name must not be "." or ".."`)
	}
	return nil
}

func nameByte(c byte) bool {
	return lower(c) || upper(c) || digit(c) || c == '.' || c == '_' || c == '-'
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func upper(c byte) bool { return 'A' <= c && c <= 'Z' }
func digit(c byte) bool { return '0' <= c && c <= '9' }

// clip bounds what an error repeats of a stranger's text.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
