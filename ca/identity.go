package ca

import "net/netip"

// A Method is how a caller proved who it is. The values are written in policy
// files and in certificate records: they never change.
type Method string

const (
	MethodToken    Method = "token"    // a join token
	MethodRenew    Method = "renew"    // a certificate of ours, over mutual TLS
	MethodACME     Method = "acme"     // an order of an ACME account (RFC 8555)
	MethodBirth    Method = "birth"    // the manufacturer's certificate (IEEE 802.1AR IDevID)
	MethodTPM      Method = "tpm"      // a TPM that is on record
	MethodApproval Method = "approval" // a person, who compared a code
	MethodSelf     Method = "self"     // the daemon, for its own TLS certificate
)

// An Identity is a caller that package enroll has authenticated, with what the
// store has on record of it.
type Identity struct {
	ID ID

	// Revision is the record's revision when it was read. Every change of state
	// raises it, so that a grant of an older one cannot be recorded.
	Revision int64

	// Method is how the caller proved to be ID; the first of them, where it did so
	// in several ways.
	Method Method

	// Proofs is in how many independent ways it did so; 0 counts as 1.
	Proofs int

	// TPM says that the record is bound to a TPM: what it renews, it renews with a key
	// that is in there. Attested is the SHA-256 of the SubjectPublicKeyInfo of the key
	// that the TPM has attested for this request; nil: none.
	TPM      bool
	Attested *[32]byte

	// DNSNames and IPs are the names on record. If there are any, of either
	// kind, the certificate may have no others; if there are none, what the role
	// covers is enough.
	DNSNames []string
	IPs      []netip.Addr

	// ValidatedDNS and ValidatedIPs are names that the caller has shown to control.
	// They count as if they were on record. A wildcard, "*.example.com", is granted
	// only if it is among them.
	ValidatedDNS []string
	ValidatedIPs []netip.Addr

	// Source is the address that the caller speaks from; the zero Addr if there
	// is none, which no role with networks accepts.
	Source netip.Addr
}
