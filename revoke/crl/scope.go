package crl

import (
	"fmt"

	"github.com/betonica/betonica/revoke/x690"
)

// A Scope says that a list is about some of its issuer's certificates only: what an
// issuing distribution point says (RFC 5280, Section 5.2.5).
type Scope struct {
	// URLs are where lists of this scope are published: it is the certificates whose own
	// distribution point is one of them. None: that does not matter.
	URLs []string

	UserOnly bool // end entities' certificates only
	CAOnly   bool // CAs' certificates only
}

// readScope reads an IssuingDistributionPoint. A list of some reasons, for several
// issuers or of attribute certificates is not supported, nor is a point without a URL.
func readScope(r *x690.Reader) *Scope {
	in := r.Nested(x690.Sequence, "issuingDistributionPoint")
	if in.Err == nil && len(in.B) == 0 {
		in.Fail("issuingDistributionPoint is empty")
	}
	s := new(Scope)
	if in.Next(x690.Context0) {
		point := in.Nested(x690.Context0, "distributionPoint")
		names := point.Nested(x690.Context0, "fullName")
		point.End("distributionPoint")
		for len(names.B) > 0 {
			if !names.Next(uniformResourceIdentifier) {
				names.Refuse(fmt.Errorf("%w: a distribution point that is not a URL", ErrUnsupported))
				break
			}
			s.URLs = append(s.URLs, string(names.Read(uniformResourceIdentifier, "fullName")))
		}
		if names.Err == nil && len(s.URLs) == 0 {
			names.Fail("distributionPoint has no name")
		}
		point.Join(&names)
		in.Join(&point)
	}
	s.UserOnly = in.Flag(onlyUser, "onlyContainsUserCerts")
	s.CAOnly = in.Flag(onlyCA, "onlyContainsCACerts")
	if len(in.B) > 0 {
		in.Refuse(fmt.Errorf("%w: a distribution point of another kind", ErrUnsupported))
	}
	if s.UserOnly && s.CAOnly {
		in.Fail("issuingDistributionPoint leaves nothing over")
	}
	r.Join(&in)
	return s
}

// The context-specific tags inside an IssuingDistributionPoint.
const (
	uniformResourceIdentifier = 0x86
	onlyUser                  = 0x81
	onlyCA                    = 0x82
)
