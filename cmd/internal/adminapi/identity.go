package adminapi

import "time"

// An Identity is one machine or one person on record.
type Identity struct {
	ID       string    `json:"id"`   // spiffe://<trust domain>/<role>/<name>
	Path     string    `json:"path"` // <role>/<name>
	Role     string    `json:"role"`
	Name     string    `json:"name"`
	Owner    string    `json:"owner,omitempty"`
	Site     string    `json:"site,omitempty"` // where it stands
	State    string    `json:"state"`          // pending, active, suspended, revoked, retired
	Why      string    `json:"why,omitempty"`  // suspended by itself: dormant, unattested, ownerless
	Suspect  bool      `json:"suspect"`        // alarmed: a token reused, or a fork
	Revision int64     `json:"revision"`
	DNSNames []string  `json:"dns_names"` // on record; [] if the role alone decides
	IPs      []string  `json:"ips"`
	Created  time.Time `json:"created_at"`
	Changed  time.Time `json:"changed_at"`
	Attested time.Time `json:"attested_at"` // when its owner last said that it is there; at first its making
}

// IdentityRequest puts an identity on record, pending until it enrols.
type IdentityRequest struct {
	Role  string `json:"role"`
	Name  string `json:"name"`
	Owner string `json:"owner,omitempty"`
	// DNSNames and IPs confine the identity further than its role does; each
	// must be one that the role covers.
	DNSNames []string `json:"dns_names,omitempty"`
	IPs      []string `json:"ips,omitempty"`
}

// IdentityFilter narrows a list; an empty field does not.
type IdentityFilter struct {
	Role, State, Owner string
	Search             string // what the name begins with

	// Doubt is unattested, ownerless or dormant: those that were suspended for it, and
	// those that go on all the same. It goes with Role alone.
	Doubt string
}

// A Certificate is one that the daemon issued.
type Certificate struct {
	Serial    string      `json:"serial"` // 32 hex digits
	Identity  string      `json:"identity"`
	NotBefore time.Time   `json:"not_before"`
	NotAfter  time.Time   `json:"not_after"`
	DNSNames  []string    `json:"dns_names"`
	IPs       []string    `json:"ips"`
	SPKI      string      `json:"spki"`             // SHA-256 of the public key, hex
	Method    string      `json:"method"`           // token, renew, self
	Token     string      `json:"token,omitempty"`  // the id of the token that it was bought with
	Parent    string      `json:"parent,omitempty"` // the serial that it renews
	Policy    int64       `json:"policy_version"`
	Revoked   *Revocation `json:"revoked,omitempty"`
	PEM       string      `json:"pem,omitempty"` // only where one certificate was asked for
}

// A Revocation says since when a certificate is void, and why.
type Revocation struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"` // as RFC 5280, Section 5.3.1 spells it: keyCompromise, superseded, ...
}

// CertificateFilter narrows a list; an empty field does not.
type CertificateFilter struct {
	Identity string // path
	Live     bool   // neither expired nor revoked
}
