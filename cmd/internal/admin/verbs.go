package admin

import (
	"net/http"

	"github.com/betonica/betonica/enroll"
)

// A verb is one thing that can be asked for.
type verb struct {
	method, path string
	needs        right
	what         string // "may not ..."
	reads        string // the action by which each call is on record, as [Admin.reads] says; empty: what it changes is
	do           func(*Admin, http.ResponseWriter, *http.Request, enroll.Actor) error
}

// verbs is the admin API, whole: below adminapi.Prefix there is nothing else.
var verbs = []verb{
	{"POST", "tokens", tokens, "make tokens", "", (*Admin).createToken},
	{"GET", "tokens", inventory, "read tokens", "admin.read", (*Admin).listTokens},
	{"DELETE", "tokens/{id}", tokens, "revoke tokens", "", (*Admin).revokeToken},

	{"GET", "requests", inventory, "read requests for approval", "admin.read", (*Admin).listRequests},
	{"POST", "requests/{id}/approve", tokens, "approve machines", "", (*Admin).approve},
	{"POST", "requests/{id}/deny", tokens, "deny machines", "", (*Admin).deny},

	{"GET", "proposals", inventory, "read proposals", "admin.read", (*Admin).listProposals},
	{"GET", "proposals/{id}", inventory, "read proposals", "admin.read", (*Admin).showProposal},
	{"POST", "proposals/{id}/approve", consent, "agree to what takes two people", "", (*Admin).agree},
	{"POST", "proposals/{id}/deny", consent, "deny what takes two people", "", (*Admin).disagree},

	{"GET", "powers", inventory, "read powers", "admin.read", (*Admin).listPowers},
	{"POST", "powers", inventory, "ask for a power", "", (*Admin).requestPower},
	{"POST", "powers/break-glass", emergency, "take the power of an emergency", "", (*Admin).breakGlass},
	{"POST", "powers/{id}/end", inventory, "end powers", "", (*Admin).endPower},
	{"POST", "powers/{id}/review", review, "review powers", "", (*Admin).reviewPower},

	{"POST", "identities", identities, "make identities", "", (*Admin).createIdentity},
	{"POST", "identities/import", identities, "make identities", "", (*Admin).importDevices},
	{"GET", "identities", inventory, "read identities", "admin.read", (*Admin).listIdentities},
	{"GET", "identities/{role}/{name}", inventory, "read identities", "admin.read", (*Admin).showIdentity},
	{"POST", "identities/{role}/{name}/attest", identities, "attest identities", "", (*Admin).attest},
	{"POST", "identities/{role}/{name}/suspend", identities, "suspend identities", "", (*Admin).suspend},
	{"POST", "identities/{role}/{name}/cut", identities | revocation, "suspend identities and revoke what they hold", "", (*Admin).cut},
	{"POST", "identities/{role}/{name}/resume", identities, "resume identities", "", (*Admin).resume},
	{"POST", "identities/{role}/{name}/retire", identities, "retire identities", "", (*Admin).retire},

	{"POST", "revocations", revocation, "revoke", "", (*Admin).revoke},
	{"POST", "revocations/batch", revocation, "revoke", "", (*Admin).revokeMany},

	{"GET", "certificates", inventory, "read certificates", "admin.read", (*Admin).listCertificates},
	{"GET", "certificates/{serial}", inventory, "read certificates", "admin.read", (*Admin).showCertificate},

	{"POST", "compliance/check", inventory | log, "check the safeguards", "", (*Admin).checkCompliance},
	{"POST", "compliance/report", inventory | log, "report on the safeguards", "", (*Admin).reportCompliance},
	{"POST", "compliance/attestations", inventory | log, "attest safeguards", "", (*Admin).attestCompliance},

	{"GET", "alerts", log, "read alerts", "alert.read", (*Admin).listAlerts},
	{"GET", "alerts/{id}", log, "read alerts", "alert.read", (*Admin).showAlert},
	{"POST", "alerts/{id}/acknowledge", review, "acknowledge alerts", "", (*Admin).acknowledgeAlert},
	{"POST", "alerts/quiet", identities, "keep alerts quiet for planned work", "", (*Admin).quiet},

	{"GET", "audit", log, "read the audit log", "audit.read", (*Admin).listAudit},
	{"GET", "audit/export", log, "export the audit log", "audit.export", (*Admin).exportAudit},
	{"GET", "audit/review", log, "gather the audit log for a review", "audit.read", (*Admin).gatherReview},
	{"POST", "audit/review", log | review, "review the audit log", "", (*Admin).reviewLog},
	{"GET", "audit/reviews", log, "read who reviewed the audit log", "audit.read", (*Admin).listReviews},
	{"GET", "records", log, "read what guards wrote down", "audit.records", (*Admin).listRecords},

	{"GET", "policy", inventory, "read the policy", "admin.read", (*Admin).showPolicy},
	{"POST", "policy/test", inventory | log, "try a policy on what is on record", "", (*Admin).testPolicy},
	{"PUT", "policy", policy, "change the policy", "", (*Admin).setPolicy},

	{"GET", "enforcement", inventory, "read what relying parties enforce", "admin.read", (*Admin).enforcement},
	{"GET", "status", inventory, "read the status", "admin.read", (*Admin).status},
}
