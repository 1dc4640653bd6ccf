package atna

import "strings"

// A row says how an action of the log is told.
type row struct {
	// action is the whole action or, with a dot at its end, what it begins with.
	action  string
	meaning text // of our own code
	event   *event
	kind    *code // of the event, besides our own code; nil: none
	object  *objectKind
	stage   *code

	// ok is the indicator where the entry's outcome is "ok", bad where it is not.
	ok, bad indicator
}

// An objectKind is what the subject of an action is.
type objectKind struct {
	idType, role code
}

var (
	node   = &objectKind{nodeID, resource} // an identity, by its path
	record = &objectKind{recordID, resource}
	policy = &objectKind{recordID, granularity}
	theLog = &objectKind{uri, resource} // whatever the subject is (PS3.15, Section A.5.3.2)
)

// actions is the table. The longest row that fits is taken, and of those that are not
// here, none fits but the first.
var actions = [...]row{
	{"", "Event", securityAlert, nil, record, nil, fine, minor},

	{"acme.account", "ACME account registered", securityAlert, attributesChanged, node, &created, fine, minor},
	{"acme.refuse", "ACME request refused", securityAlert, restricted, node, nil, fine, minor},
	{"admin.read", "Inventory read", securityAlert, nil, node, nil, fine, minor},
	{"admin.refuse", "Administration refused", securityAlert, restricted, node, nil, fine, serious},
	{"alert.", "Alert", securityAlert, nil, record, nil, fine, minor},
	{"alert.acknowledge", "Alert acknowledged", securityAlert, nil, record, &amended, fine, minor},
	{"alert.count", "Alert repeated", securityAlert, nil, record, &amended, minor, minor},
	{"alert.open", "Alert opened", securityAlert, nil, record, &created, serious, serious},
	{"alert.quiet", "Alerts silenced for planned work", securityAlert, nil, record, &created, fine, minor},
	{"alert.read", "Alerts read", auditLogUsed, nil, theLog, &used, fine, minor},
	{"alert.resolve", "Alert resolved", securityAlert, nil, record, &ended, fine, minor},
	{"audit.", "Audit log used", auditLogUsed, nil, theLog, &used, fine, minor},
	{"audit.archive", "Audit log archived", auditLogUsed, nil, theLog, &archived, fine, serious},
	{"audit.export", "Audit log exported", auditLogUsed, nil, theLog, &exported, fine, minor},
	{"audit.read", "Audit log read", auditLogUsed, nil, theLog, &used, fine, minor},
	{"audit.records", "Guards' records read", auditLogUsed, nil, theLog, &used, fine, minor},
	{"audit.review", "Audit log reviewed", auditLogUsed, nil, theLog, &verified, fine, minor},
	{"birth.reuse", "Manufacturer's certificate used again", securityAlert, attributesChanged, node, nil, serious, serious},
	{"ca.init", "Certificate authority created", securityAlert, configuration, record, &created, fine, serious},
	{"certificate.fork", "Certificate has two holders", securityAlert, nodeAuthentication, node, nil, serious, serious},
	{"certificate.issue", "Certificate issued", securityAlert, attributesChanged, node, &created, fine, minor},
	{"certificate.late", "Renewal after expiry", securityAlert, attributesChanged, node, nil, minor, minor},
	{"certificate.refuse", "Certificate refused", securityAlert, restricted, node, nil, fine, minor},
	{"certificate.revoke", "Certificate revoked", securityAlert, attributesChanged, node, &ended, fine, major},
	{"compliance.", "Safeguards checked", securityAlert, nil, record, &verified, fine, minor},
	{"consent.", "Consent to a proposal", securityAlert, rolesChanged, record, nil, fine, minor},
	{"consent.deny", "Proposal denied", securityAlert, rolesChanged, record, &ended, fine, minor},
	{"consent.give", "Proposal agreed to", securityAlert, rolesChanged, record, &verified, fine, minor},
	{"daemon.start", "Certificate authority started", applicationActivity, applicationStart, node, nil, fine, serious},
	{"delivery.", "Delivery of the audit log", securityAlert, nil, theLog, nil, fine, serious},
	{"delivery.begin", "Delivery of the audit log begun", auditLogUsed, nil, theLog, &exported, fine, serious},
	{"delivery.refuse", "Entry refused by a receiver of the audit log", securityAlert, nil, theLog, nil, serious, serious},
	{"enforcement.refuse", "Report of enforcement refused", securityAlert, restricted, node, nil, fine, minor},
	{"identity.attest", "Attestation key bound to an identity", securityAlert, attributesChanged, node, &amended, fine, minor},
	{"identity.create", "Identity created", networkEntry, attach, node, &created, fine, minor},
	{"identity.import", "Identity imported", networkEntry, attach, node, &created, fine, minor},
	{"identity.resume", "Identity resumed", securityAlert, attributesChanged, node, &amended, fine, minor},
	{"identity.retire", "Identity retired", networkEntry, detach, node, &ended, fine, minor},
	{"identity.revoke", "Identity revoked", securityAlert, attributesChanged, node, &ended, fine, major},
	{"identity.suspect", "Identity under suspicion", securityAlert, nodeAuthentication, node, nil, serious, serious},
	{"identity.suspend", "Identity suspended", securityAlert, attributesChanged, node, &amended, fine, major},
	{"issuer.back", "Issuer taken back into service", securityAlert, configuration, record, &amended, fine, serious},
	{"issuer.resume", "Issuer resumed", securityAlert, configuration, record, &amended, fine, serious},
	{"issuer.revoke", "Issuer revoked", securityAlert, configuration, record, &ended, fine, major},
	{"issuer.rotate", "Issuer replaced", securityAlert, configuration, record, &created, fine, serious},
	{"issuer.stop", "Issuer stopped", securityAlert, configuration, record, &amended, fine, serious},
	{"journal.begin", "Guard's journal begun", securityAlert, recordingStarted, node, &created, fine, serious},
	{"journal.close", "Guard's journal closed", securityAlert, recordingStopped, theLog, nil, fine, serious},
	{"journal.fork", "Guard's journal contradicts itself", securityAlert, recordingStopped, node, nil, major, major},
	{"journal.full", "Guard's journal cannot be written", securityAlert, recordingStopped, theLog, nil, serious, serious},
	{"journal.gap", "Accesses without a record", securityAlert, recordingStarted, theLog, nil, major, major},
	{"journal.open", "Guard's journal opened", securityAlert, recordingStarted, theLog, nil, fine, serious},
	{"journal.prune", "Guard's journal shortened", auditLogUsed, nil, theLog, &erased, fine, serious},
	{"journal.recovered", "Guard's journal recovered", securityAlert, recordingStarted, theLog, nil, minor, serious},
	{"journal.refuse", "Guard's journal refused", securityAlert, restricted, node, nil, fine, minor},
	{"journal.resumed", "Guard's journal written again", securityAlert, recordingStarted, theLog, nil, fine, serious},
	{"journal.retire", "Guard's journal retired", securityAlert, recordingStopped, node, &archived, fine, minor},
	{"keys.deposit", "Keys deposited", securityAlert, configuration, record, &exported, fine, serious},
	{"keys.replace", "Data key of the audit log replaced", securityAlert, configuration, record, &created, fine, serious},
	{"keys.rewrap", "Wrapping key of the audit log replaced", securityAlert, configuration, record, &amended, fine, serious},
	{"keys.rotate", "New wrapping key of the audit log ordered", securityAlert, configuration, record, &amended, fine, serious},
	{"policy.bootstrap", "Policy changed by one person alone", securityAlert, rolesChanged, policy, &amended, minor, minor},
	{"policy.change", "Policy changed", securityAlert, rolesChanged, policy, &amended, fine, minor},
	{"power.", "Power of a person", securityAlert, rolesChanged, record, nil, fine, minor},
	{"power.begin", "Power granted for a time", securityAlert, rolesChanged, record, &created, fine, minor},
	{"power.break-glass", "Emergency power taken", securityAlert, emergencyStarted, record, &created, minor, serious},
	{"power.end", "Power ended", securityAlert, rolesChanged, record, &ended, fine, minor},
	{"power.review", "Emergency power reviewed", auditLogUsed, nil, record, &verified, fine, minor},
	{"proposal.", "Proposal that needs two people", securityAlert, rolesChanged, record, nil, fine, minor},
	{"proposal.create", "Proposal made that needs two people", securityAlert, rolesChanged, record, &created, fine, minor},
	{"proposal.reopen", "Consent to a proposal became void", securityAlert, rolesChanged, record, &amended, minor, minor},
	{"refusals.dropped", "Refusals without a record", securityAlert, recordingStopped, theLog, nil, minor, minor},
	{"request.approve", "Request approved", securityAlert, attributesChanged, record, &verified, fine, minor},
	{"request.create", "Request waits for approval", securityAlert, nil, record, &created, fine, minor},
	{"request.deny", "Request denied", securityAlert, restricted, record, &ended, fine, minor},
	{"request.refuse", "Request refused", securityAlert, restricted, record, nil, fine, minor},
	{"responder.issue", "OCSP responder's certificate issued", securityAlert, configuration, node, &created, fine, minor},
	{"retention.purge", "Records deleted at their age", securityAlert, nil, record, &erased, fine, serious},
	{"store.reconnect", "Connection to the database lost", securityAlert, nil, theLog, nil, minor, minor},
	{"store.recover", "Store recovered", securityAlert, recordingStarted, theLog, nil, serious, serious},
	{"store.set-back", "Store older than what was signed", securityAlert, recordingStopped, theLog, nil, major, major},
	{"token.bootstrap", "Token made by one person alone", securityAlert, attributesChanged, node, &created, minor, minor},
	{"token.create", "Token made", securityAlert, attributesChanged, node, &created, fine, minor},
	{"token.refuse", "Token refused", securityAlert, restricted, node, nil, fine, minor},
	{"token.reuse", "Spent token used again", securityAlert, nodeAuthentication, node, nil, serious, serious},
	{"token.revoke", "Token revoked", securityAlert, attributesChanged, node, &ended, fine, minor},
}

// rowOf returns the longest row that fits the action.
func rowOf(action string) *row {
	best := &actions[0]
	for i := range actions {
		r := &actions[i]
		if len(r.action) > len(best.action) && (r.action == action || strings.HasSuffix(r.action, ".") && strings.HasPrefix(action, r.action)) {
			best = r
		}
	}
	return best
}
