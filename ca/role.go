package ca

import (
	"crypto/x509"
	"net/netip"
	"slices"
	"time"
)

// RoleCA is the reserved role of the authority's own servers. Machines accept as
// their CA only a server with an ID in it, so no policy file may define it and no
// token can be made for it.
const RoleCA = "ca"

// A Role says what its identities may have in a certificate, and how they get
// one. It is a table [role.NAME] of the policy file; the comment of a field gives
// its key, and what holds when the key is absent.
type Role struct {
	// Name is the NAME of the table.
	Name string

	// Names are the patterns that names of identities must match, any of them.
	// Key names; default ["*"]; [] closes the role to new and old alike.
	Names []Pattern

	// DNS are the DNS names that may be asked for: exact names, or "*.domain" for
	// one label before it. {name} stands for the identity's name in lower case.
	// The wildcard "*.domain" itself may be asked for, too, by whoever has shown to
	// control the domain (ACME's dns-01). Key dns; default none.
	DNS []string

	// IPs are the networks from which IP addresses may be asked for. Key ip;
	// default none.
	IPs []netip.Prefix

	// Usages are the extended key usages: "client", "server". Key usages; default
	// ["client"].
	Usages []Usage

	// Lifetime is from issuing to notAfter: 1 s to 730 days (Apple's systems refuse
	// servers of more than 825), in whole seconds. The issuer's own end cuts it
	// short. Key lifetime, such as "90m", "24h", "30d"; default 24h.
	Lifetime time.Duration

	// Keys are the kinds of public key: "P-256", "P-384", "Ed25519", and "RSA-n",
	// which means at least n bits, from 2048 to 4096. Key keys; default all that
	// [ParseRequest] takes.
	Keys []string

	// Methods are the ways to prove who one is. Key methods; default ["token",
	// "renew", "acme"], and there are "birth", "tpm" and "approval"; [] stops all
	// issuing in the role.
	Methods []Method

	// Proofs is how many independent proofs a first enrolment takes, 1 to 4: of
	// token, birth certificate, TPM, approval, and one of Networks to speak from.
	// Whoever shows fewer, as ACME clients do, gets nothing; renewal takes one in any
	// case. Key proofs; default 1.
	Proofs int

	// Rekey says that every certificate needs a new key. Without it ACME and EST, whose
	// clients may keep their key, certifies it again for the same identity; tokens
	// and renewal over mutual TLS take new keys in any case. Key rekey: "required"
	// or "optional"; default "optional".
	Rekey bool

	// AttestationRoots are the authorities that vouch for the attestation keys of
	// the role's TPMs (device-attest-01). Key attestation_roots: certificates in
	// PEM, one after the other; default none, and then nothing can be attested.
	AttestationRoots []*x509.Certificate

	// ManufacturerRoots are the authorities that vouch for birth certificates, which
	// machines were made with (IEEE 802.1AR: IDevID). Key manufacturer_roots, as
	// attestation_roots; default none.
	ManufacturerRoots []*x509.Certificate

	// TPMRoots are the authorities that vouch for the endorsement keys of TPMs, which
	// chips were made with. Key tpm_roots, as attestation_roots; default none: then
	// only keys on record are known.
	TPMRoots []*x509.Certificate

	// Grace is how long after its end a certificate may still be renewed, 0 to 180
	// days, in whole seconds. Key grace; default 0: not at all.
	Grace time.Duration

	// ChannelBinding says that a request over EST must carry the proof that it was made
	// for the very TLS session that brings it (RFC 7030, Section 3.5). Key
	// channel_binding: "required" or "optional"; default "optional".
	ChannelBinding bool

	// ServerKeys lets EST clients have their keys made by the CA (RFC 7030, Section
	// 4.4): keys that have been elsewhere than on their machine. Key server_keys;
	// default false.
	ServerKeys bool

	// DormantAfter is how long an identity may get no certificate before it is
	// suspended by itself: Lifetime to ten years, or 0, never. A day or more in which
	// the CA was away does not count. Key dormant_after; default "", never.
	DormantAfter time.Duration

	// AttestEvery is how often owners say that they still have the machine: a day to
	// ten years, or 0, never. Key attest_every; default 365d.
	AttestEvery time.Duration

	// OwnerRequired says that somebody has to answer for each: who has no owner is counted
	// as in doubt, which alarms, and not only listed. Key owner: "required" or "optional";
	// default "optional".
	OwnerRequired bool

	// SuspendStale suspends what was not attested in time, or has no owner, instead of
	// only counting or listing it. Key suspend_stale; default false.
	SuspendStale bool

	// Networks are those that callers may speak from. Key networks; default any.
	Networks []netip.Prefix

	// ShareNames lets several identities of the role hold the same DNS name, as
	// replicas behind one address do. Key share_names; default false.
	ShareNames bool

	// Fork says what happens when one certificate is renewed with two keys, the
	// sign of a copied key. Key fork; default "alarm".
	Fork Fork
}

// A Usage is an extended key usage (RFC 5280, Section 4.2.1.12).
type Usage string

const (
	UsageClient Usage = "client"
	UsageServer Usage = "server"
)

// A Fork is what to do about a certificate with two children. Both are recorded
// and alarmed.
type Fork string

const (
	ForkAlarm  Fork = "alarm"  // serve it: a thief must not be able to switch off a pump
	ForkRefuse Fork = "refuse" // and refuse the second child
)

const (
	defaultLifetime = 24 * time.Hour
	maxLifetime     = 730 * day

	day                = 24 * time.Hour
	defaultAttestEvery = 365 * day
	maxGrace           = 180 * day
	maxPeriod          = 3650 * day // of what happens to a machine once in a while
	maxProofs          = 4
)

// Privileged reports whether identities of the role may use the admin API:
// auditor (reads), operator (tokens and identities), officer (also revokes),
// admin (also policy). These roles exist in every policy.
func Privileged(role string) bool { return slices.Contains(privileged, role) }

var privileged = []string{"admin", "auditor", "officer", "operator"}

// newRole returns the role with every default in place.
func newRole(name string) Role {
	return Role{
		Name:        name,
		Names:       []Pattern{{"*"}},
		Usages:      []Usage{UsageClient},
		Lifetime:    defaultLifetime,
		Keys:        []string{"P-256", "P-384", "Ed25519", "RSA-2048"},
		Methods:     []Method{MethodToken, MethodRenew, MethodACME},
		Proofs:      1,
		AttestEvery: defaultAttestEvery,
		Fork:        ForkAlarm,
	}
}

// builtIn returns the roles that exist without being written down.
func builtIn() map[string]Role {
	roles := make(map[string]Role)
	for _, name := range privileged {
		r := newRole(name)
		r.Names = append(r.Names, Pattern{"*.*"}) // people: mary, and mary.smith
		roles[name] = r
	}
	self := newRole(RoleCA)
	self.Names = nil // whatever the daemon is called
	self.Usages = []Usage{UsageClient, UsageServer}
	self.Methods = []Method{MethodSelf}
	self.AttestEvery = 0
	self.ShareNames = true // replicas answer to one name
	roles[RoleCA] = self
	return roles
}

// clone returns a copy that shares nothing with r.
func (r Role) clone() Role {
	r.Names = slices.Clone(r.Names)
	r.DNS = slices.Clone(r.DNS)
	r.IPs = slices.Clone(r.IPs)
	r.Usages = slices.Clone(r.Usages)
	r.Keys = slices.Clone(r.Keys)
	r.Methods = slices.Clone(r.Methods)
	r.AttestationRoots = slices.Clone(r.AttestationRoots)
	r.ManufacturerRoots = slices.Clone(r.ManufacturerRoots)
	r.TPMRoots = slices.Clone(r.TPMRoots)
	r.Networks = slices.Clone(r.Networks)
	return r
}
