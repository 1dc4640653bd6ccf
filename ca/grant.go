package ca

import (
	"net/netip"
	"slices"
	"time"
)

// A Grant is the right to have one certificate signed, now: what [Policy.Decide]
// made of an identity and a request. It has no exported field and the zero Grant
// is refused, so there is no other way to get one.
type Grant struct {
	id            ID
	revision      int64
	policyVersion int64
	role          string
	key           publicKey
	spki          [32]byte
	dns           []string
	ips           []netip.Addr
	usages        []Usage
	lifetime      time.Duration
	rekey         bool
	sharesNames   bool
	tpm           *TPM // nil: not of an attestation key
	decided       time.Time
}

// Identity returns whom the certificate will name.
func (g Grant) Identity() ID { return g.id }

// Revision returns the revision of the identity's record that was judged. If the
// record has another by the time of recording, the grant is void.
func (g Grant) Revision() int64 { return g.revision }

// PolicyVersion returns the version of the policy that decided. If another one
// is current by the time of recording, the grant is void.
func (g Grant) PolicyVersion() int64 { return g.policyVersion }

// Role returns the role whose rules were applied.
func (g Grant) Role() string { return g.role }

// DNSNames returns the DNS names granted: in lower case, sorted, each once.
func (g Grant) DNSNames() []string { return slices.Clone(g.dns) }

// IPs returns the addresses granted: sorted, each once.
func (g Grant) IPs() []netip.Addr { return slices.Clone(g.ips) }

// SPKI returns the SHA-256 hash of the SubjectPublicKeyInfo to be certified.
func (g Grant) SPKI() [32]byte { return g.spki }

// Rekey reports whether the role wants a key that was never certified before.
func (g Grant) Rekey() bool { return g.rekey }

// SharesNames reports whether the role lets its identities hold the same DNS
// name.
func (g Grant) SharesNames() bool { return g.sharesNames }

// Attestation reports whether it is for an attestation key: for attestations alone.
func (g Grant) Attestation() bool { return g.tpm != nil }

// isZero reports whether g was made by anything but Policy.Decide.
func (g Grant) isZero() bool { return g.decided.IsZero() || g.id.IsZero() }
