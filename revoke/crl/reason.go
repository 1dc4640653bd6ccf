package crl

import "fmt"

// A Reason is why a certificate was revoked: a CRLReason of RFC 5280, Section 5.3.1.
type Reason uint8

const (
	Unspecified          Reason = 0 // left out of the list
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	RemoveFromCRL        Reason = 8 // only in a delta: revoked no longer
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

// reasons are the names by which RFC 5280 calls them; 7 is not used.
var reasons = [...]string{
	"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
	"certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise",
}

// ParseReason returns the reason of that name, such as "keyCompromise".
func ParseReason(name string) (Reason, error) {
	for r, n := range reasons {
		if n == name && n != "" {
			return Reason(r), nil
		}
	}
	return 0, fmt.Errorf("%q is not a reason for revoking; those are keyCompromise, superseded and so on, as RFC 5280, Section 5.3.1 names them", name)
}

func (r Reason) String() string {
	if !r.valid() {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return reasons[r]
}

func (r Reason) valid() bool { return int(r) < len(reasons) && reasons[r] != "" }
