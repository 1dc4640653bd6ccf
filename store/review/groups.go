package review

import "strings"

// A kind is a group's, in the order in which they are told.
type kind int

const (
	alerts kind = iota
	health
	copies
	powers
	privileges
	policies
	issuers
	newcomers
	reasons
	callers
	ended
	frequency
	joined
	looked
	kinds // their number
	ordinary
)

var names = [kinds]struct{ name, title string }{
	alerts:     {"alerts", "Alerts, and what became of them"},
	health:     {"log", "The log itself"},
	copies:     {"copies", "Credentials in two hands"},
	powers:     {"powers", "Emergency powers, and rights that were lent"},
	privileges: {"privileges", "Privileged people, their tokens, and what takes two"},
	policies:   {"policy", "Changes of the policy"},
	issuers:    {"issuers", "The CA's own keys and certificates"},
	newcomers:  {"newcomers", "People who had not acted before"},
	reasons:    {"refusals", "Refusals, by reason"},
	callers:    {"refused", "Refusals, by who it was and from where"},
	ended:      {"ended", "Revocations, suspensions and what is like them"},
	frequency:  {"frequency", "Never before, far more often, or not any more"},
	joined:     {"joined", "New identities, by role"},
	looked:     {"looked", "Who looked into the log, and said a word"},
}

// kindOf returns the group of an action, whatever else its entry says.
func kindOf(action string) kind {
	switch action {
	case "journal.fork", "certificate.fork", "token.reuse", "birth.reuse", "identity.suspect":
		return copies
	case "certificate.revoke", "certificate.late", "identity.revoke", "identity.suspend", "identity.resume", "identity.retire", "token.revoke", "journal.retire":
		return ended
	case "refusals.dropped", "audit.archive", "retention.purge", "journal.refuse", "enforcement.refuse":
		return health
	case "token.bootstrap":
		return privileges
	case "ca.init":
		return issuers
	}
	noun, verb, _ := strings.Cut(action, ".")
	if verb == "refuse" {
		return reasons
	}
	switch noun {
	case "alert":
		return alerts
	case "store", "delivery":
		return health
	case "power":
		return powers
	case "consent", "proposal":
		return privileges
	case "policy":
		return policies
	case "issuer", "keys":
		return issuers
	case "audit", "compliance":
		return looked
	}
	return ordinary
}

// acts reports whether a person who makes such an entry uses a right to change something.
// To look, to say a word and to be refused are none, and neither is to renew.
func acts(action string) bool {
	noun, verb, _ := strings.Cut(action, ".")
	switch {
	case noun == "audit", noun == "compliance", noun == "alert", verb == "refuse", action == "power.review":
		return false
	case noun == "certificate":
		return verb == "revoke"
	}
	return true
}
