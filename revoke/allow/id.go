package allow

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// maxPart is the longest trust domain, role or name, in characters.
const maxPart = 64

const scheme = "spiffe://"

// An ID names one machine or person: spiffe://<trust domain>/<role>/<name>. IDs are
// comparable with ==; the zero ID names nobody, and no rule lets it in.
type ID struct {
	trustDomain, role, name string
}

// ParseID reads an ID from its URI. There is one spelling: the trust domain is a
// lower-case DNS name, the role of [a-z0-9-] and the name of [A-Za-z0-9._-], each of 1
// to 64 characters.
func ParseID(uri string) (ID, error) {
	id, err := split(uri)
	if err == nil {
		err = id.check()
	}
	if err != nil {
		return ID{}, err
	}
	return id, nil
}

// IDOf returns the ID that a certificate carries: its only URI SAN. One with several
// would be several identities, and is refused (SPIFFE X.509-SVID, Section 2).
func IDOf(certificate *x509.Certificate) (ID, error) {
	if len(certificate.URIs) != 1 {
		return ID{}, fmt.Errorf("certificate has %d URIs; it must have one, its SPIFFE ID", len(certificate.URIs))
	}
	return ParseID(certificate.URIs[0].String())
}

// TrustDomain returns the trust domain, such as "hospital.example".
func (id ID) TrustDomain() string { return id.trustDomain }

// Role returns the role, such as "device".
func (id ID) Role() string { return id.role }

// Name returns the name within the role, such as "SN-0042".
func (id ID) Name() string { return id.name }

// String returns the ID as a URI, and "" for the zero ID.
func (id ID) String() string {
	if id == (ID{}) {
		return ""
	}
	return scheme + id.trustDomain + "/" + id.role + "/" + id.name
}

// split takes a URI apart, without a look at the parts.
func split(uri string) (ID, error) {
	rest, isSPIFFE := strings.CutPrefix(uri, scheme)
	trustDomain, path, _ := strings.Cut(rest, "/")
	role, name, isPath := strings.Cut(path, "/")
	if !isSPIFFE || !isPath {
		return ID{}, fmt.Errorf("%q is not of the form spiffe://TRUST-DOMAIN/ROLE/NAME", clip(uri))
	}
	return ID{trustDomain: trustDomain, role: role, name: name}, nil
}

func (id ID) check() error {
	if err := checkTrustDomain(id.trustDomain); err != nil {
		return err
	}
	if !within(id.role, func(c byte) bool { return lower(c) || digit(c) || c == '-' }) {
		return fmt.Errorf("role %q is not 1 to %d of a-z, 0-9 and -", clip(id.role), maxPart)
	}
	if !within(id.name, nameByte) {
		return fmt.Errorf("name %q is not 1 to %d of A-Z, a-z, 0-9, ., _ and -", clip(id.name), maxPart)
	}
	if id.name == "." || id.name == ".." {
		return errors.New(`name must not be "." or ".."`)
	}
	return nil
}

// checkTrustDomain demands labels of 1 to 63 lower-case letters, digits and hyphens, of
// which none begins or ends with a hyphen.
func checkTrustDomain(s string) error {
	ok := len(s) <= maxPart
	for label := range strings.SplitSeq(s, ".") {
		ok = ok && len(label) <= 63 && within(label, func(c byte) bool { return lower(c) || digit(c) || c == '-' }) &&
			label[0] != '-' && label[len(label)-1] != '-'
	}
	if !ok {
		return fmt.Errorf("trust domain %q is not a DNS name in lower case of at most %d characters", clip(s), maxPart)
	}
	return nil
}

// within reports whether s is 1 to 64 characters of a kind.
func within(s string, kind func(byte) bool) bool {
	if len(s) == 0 || len(s) > maxPart {
		return false
	}
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}

func nameByte(c byte) bool {
	return lower(c) || 'A' <= c && c <= 'Z' || digit(c) || c == '.' || c == '_' || c == '-'
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func digit(c byte) bool { return '0' <= c && c <= '9' }

// clip bounds what an error repeats of a stranger's text.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
