package admin

import (
	"maps"
	"slices"
	"strings"

	"github.com/betonica/betonica/store"
)

// A right is a set of things that a caller may do.
type right uint

const (
	inventory  right = 1 << iota // read tokens, requests, proposals, identities, certificates, policy and status
	log                          // read the audit log
	tokens                       // make and revoke join tokens; approve and deny who asks without
	identities                   // make and manage identities
	revocation                   // revoke identities and certificates
	policy                       // change the policy
	consent                      // say yes or no to what takes two people
	emergency                    // take the power of an emergency
	review                       // say what one has found in the log, and that an alert was seen
	everything right = 1<<iota - 1
)

// roles are the rights of the privileged roles: whoever needs less gets less. An
// officer also revokes, and reads the log to know whom; an operator does neither.
//
// Nobody has all of them: who looks at what was done does nothing else, and cannot be
// lent anything.
var roles = map[string]right{
	"auditor":  inventory | log | consent | review,
	"operator": inventory | tokens | identities | consent | emergency,
	"officer":  inventory | log | tokens | identities | revocation | consent | emergency,
	"admin":    inventory | log | tokens | identities | revocation | policy | consent,
}

// host are the rights of root on the CA's own host, who agrees to nothing, and reviews
// nothing.
const host = everything &^ (consent | emergency | review)

// lent are the rights that a person can have for a time, by the names by which people
// ask for them.
var lent = map[string]right{"log": log, "tokens": tokens, "identities": identities, "revocation": revocation, "policy": policy}

// borrows reports whether somebody with these rights can be lent more.
func (has right) borrows() bool { return has != 0 && has&review == 0 }

// powerOf returns what a power lends: in an emergency what officers have.
func powerOf(p store.Power) right {
	if p.Kind == store.PowerBreakGlass {
		return (roles["officer"] | identities) &^ consent
	}
	return lent[p.Right]
}

// who says in words who has a right.
func (need right) who() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		if roles[name]&need == need {
			names = append(names, name)
		}
	}
	text := "role " + strings.Join(names, ", ")
	if host&need == need {
		text += ", or root on the CA's own host"
	}
	return text
}
