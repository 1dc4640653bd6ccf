package admin

import (
	"slices"
	"strings"
)

// A right is a set of things that a caller may do.
type right uint

const (
	inventory  right = 1 << iota // read tokens, requests, identities, certificates, policy and status
	log                          // read the audit log
	tokens                       // make and revoke join tokens; approve and deny who asks without
	identities                   // make and manage identities
	revocation                   // revoke identities and certificates
	policy                       // change the policy
	everything right = 1<<iota - 1
)

// roles are the rights of the privileged roles: whoever needs less gets less. An
// officer also revokes, and reads the log to know whom; an operator does neither.
var roles = map[string]right{
	"auditor":  inventory | log,
	"operator": inventory | tokens | identities,
	"officer":  inventory | log | tokens | identities | revocation,
	"admin":    inventory | log | tokens | identities | revocation | policy,
}

// who says in words who has a right.
func (need right) who() string {
	var names []string
	for name, has := range roles {
		if has&need == need {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return "role " + strings.Join(names, ", ") + ", or root on the CA's own host"
}
