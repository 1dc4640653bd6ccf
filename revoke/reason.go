package revoke

import (
	"fmt"
	"slices"
	"strings"

	"github.com/betonica/betonica/revoke/crl"
)

// reasons are those that we revoke for. The others of RFC 5280, Section 5.3.1 are
// about authorities, or can be taken back: a machine that was cut off stays off.
var reasons = [...]crl.Reason{
	crl.Unspecified, crl.KeyCompromise, crl.AffiliationChanged, crl.Superseded,
	crl.CessationOfOperation, crl.PrivilegeWithdrawn,
}

// ParseReason returns the reason that a person gives by its name in RFC 5280,
// such as "keyCompromise"; "" is unspecified. Those that end nothing
// (certificateHold, removeFromCRL), or that are about an authority, are errors.
func ParseReason(name string) (crl.Reason, error) {
	if name == "" {
		return crl.Unspecified, nil
	}
	reason, err := crl.ParseReason(name)
	if err != nil || !slices.Contains(reasons[:], reason) {
		return 0, fmt.Errorf("reason %q: it must be one of %s", name, strings.Join(Reasons(), ", "))
	}
	return reason, nil
}

// Reasons returns the names that [ParseReason] takes.
func Reasons() []string {
	names := make([]string, len(reasons))
	for i, r := range reasons {
		names[i] = r.String()
	}
	return names
}
