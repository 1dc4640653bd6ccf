package crl

import "fmt"

// A Scope says that a list is about some of its issuer's certificates only: what an
// issuing distribution point says (RFC 5280, Section 5.2.5).
type Scope struct {
	// URLs are where lists of this scope are published: it is the certificates whose own
	// distribution point is one of them. None: that does not matter.
	URLs []string

	UserOnly bool // end entities' certificates only
	CAOnly   bool // CAs' certificates only
}

// scope reads an IssuingDistributionPoint. A list of some reasons, for several
// issuers or of attribute certificates is not supported, nor is a point without a URL.
func (r *reader) scope() *Scope {
	in := r.nested(tagSequence, "issuingDistributionPoint")
	if in.err == nil && len(in.b) == 0 {
		in.fail("issuingDistributionPoint is empty")
	}
	s := new(Scope)
	if in.next(context0) {
		point := in.nested(context0, "distributionPoint")
		names := point.nested(context0, "fullName")
		point.end("distributionPoint")
		for len(names.b) > 0 {
			if !names.next(uniformResourceIdentifier) {
				names.refuse(fmt.Errorf("%w: a distribution point that is not a URL", ErrUnsupported))
				break
			}
			s.URLs = append(s.URLs, string(names.read(uniformResourceIdentifier, "fullName")))
		}
		if names.err == nil && len(s.URLs) == 0 {
			names.fail("distributionPoint has no name")
		}
		point.join(&names)
		in.join(&point)
	}
	s.UserOnly = in.flag(onlyUser, "onlyContainsUserCerts")
	s.CAOnly = in.flag(onlyCA, "onlyContainsCACerts")
	if len(in.b) > 0 {
		in.refuse(fmt.Errorf("%w: a distribution point of another kind", ErrUnsupported))
	}
	if s.UserOnly && s.CAOnly {
		in.fail("issuingDistributionPoint leaves nothing over")
	}
	r.join(&in)
	return s
}

// The context-specific tags inside an IssuingDistributionPoint.
const (
	uniformResourceIdentifier = 0x86
	onlyUser                  = 0x81
	onlyCA                    = 0x82
)

// flag reads a BOOLEAN whose default is FALSE.
func (r *reader) flag(tag byte, field string) bool {
	if !r.next(tag) {
		return false
	}
	if body := r.read(tag, field); len(body) != 1 || body[0] != 0xff {
		r.fail(field + " is neither TRUE nor absent")
	}
	return true
}
