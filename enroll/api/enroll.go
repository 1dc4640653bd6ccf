package api

import "time"

// Paths of the native API.
const (
	PathEnroll     = "/v1/enroll"
	PathRenew      = "/v1/renew"
	PathRenewLate  = "/v1/renew/late" // for a certificate that ran out
	PathConfirm    = "/v1/confirm"
	PathCheckpoint = "/v1/checkpoint" // ?since=SIZE
	PathRecords    = "/v1/records"    // what a guard wrote down
	PathGuardRules = "/v1/guard/rules"
	PathRoots      = "/roots/" // + hex of the SHA-256 of the root's DER; answers its PEM
)

// An EnrollRequest asks for a certificate: the body of POST /v1/enroll and of
// POST /v1/renew and /v1/renew/late. What authenticates it is not in it.
type EnrollRequest struct {
	// CSR is a PKCS#10 certificate request (RFC 2986) in PEM.
	CSR string `json:"csr"`
	// Since is the tree size of the newest log checkpoint that the caller holds,
	// 0 if none. The answer then proves that the log only grew since.
	Since int64 `json:"since,omitempty"`

	// Role is what a caller whose credentials name none wants to be. Only POST
	// /v1/enroll takes it.
	Role string `json:"role,omitempty"`
	// Ask says that the caller would wait for a person's approval if what it shows does
	// not suffice: the answer may be a [Pending]. Only POST /v1/enroll takes it.
	Ask bool `json:"ask,omitempty"`
	// Attestation says that the request's key is in the caller's TPM. It is good once: who
	// repeats a request has the key attested anew.
	Attestation *Attestation `json:"attestation,omitempty"`
}

// An EnrollResponse is a new certificate, and what its holder needs to plan.
type EnrollResponse struct {
	// Certificate is the PEM chain, leaf first, without the root.
	Certificate string `json:"certificate"`
	// Serial is the leaf's serial number in lower-case hexadecimal, 32 digits.
	Serial string `json:"serial"`
	// NotAfter is when the leaf ends.
	NotAfter time.Time `json:"not_after"`
	// RenewAfter is when its holder shall renew. It is spread over the fleet, and
	// the same each time for one certificate.
	RenewAfter time.Time `json:"renew_after"`
	// ServerTime is the CA's clock, for machines that have none of their own.
	ServerTime time.Time `json:"server_time"`
	// Checkpoint is the log's newest signed checkpoint; absent while there is none.
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
}

// A Checkpoint is what the CA says its audit log is, signed: a machine that
// keeps the last one, and checks each new one against it, holds the CA to it.
type Checkpoint struct {
	// Note is the signed note (C2SP tlog-checkpoint).
	Note string `json:"note"`
	// Key is the verifier key (C2SP signed-note). A caller that knows one already
	// must go on using that.
	Key string `json:"key"`
	// Since is the tree size that Proof begins at: what the caller asked for, or 0
	// if it asked for none.
	Since int64 `json:"since,omitempty"`
	// Proof is the consistency proof from Since to the note's tree (RFC 6962,
	// Section 2.1.2): hashes in base64, empty if the sizes are equal or Since is 0.
	Proof []string `json:"proof,omitempty"`
	// Recovery is the newest one that goes back to before Since; absent if there is
	// none. It explains why there is no proof from Since, if there is not.
	Recovery *Recovery `json:"recovery,omitempty"`
	// RenewAfter is when the caller, by the certificate that it presented, shall renew
	// if that is sooner than it was told before; absent otherwise. It is advice, and
	// not of the log.
	RenewAfter time.Time `json:"renew_after,omitzero"`
}

// A Recovery says, signed by the log's key, that the log was set back to fewer entries
// than it had, and went on from there.
type Recovery struct {
	// Note is the signed note: a checkpoint of what was left, with a line that says so.
	Note string `json:"note"`
	// Proof is the consistency proof from it to the newest checkpoint.
	Proof []string `json:"proof,omitempty"`
}
