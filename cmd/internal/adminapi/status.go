package adminapi

import "time"

// Status is the daemon at a glance.
type Status struct {
	Version     string    `json:"version"`
	Started     time.Time `json:"started_at"`
	TrustDomain string    `json:"trust_domain"`
	Ready       bool      `json:"ready"`
	Reason      string    `json:"reason,omitempty"` // why not ready
	URLs        URLs      `json:"urls"`
	Root        Issuer    `json:"root"`
	Issuer      Issuer    `json:"issuer"` // that issues now
	// Issuers are all intermediates, in the order of their making, Rotation is the
	// change to the newest of them; absent before the first.
	Issuers  []Intermediate `json:"issuers"`
	Rotation *Rotation      `json:"rotation,omitempty"`

	Policy int64 `json:"policy_version"`
	// Identities counts the identities in each state.
	Identities map[string]int64 `json:"identities"`
	// Doubtful counts those that are unattested, ownerless in a role that wants an owner, or
	// dormant, suspended for it or not, as of some minutes ago.
	Doubtful map[string]int64 `json:"doubtful,omitempty"`
	// Survival is how long machines go on if the CA stops now; absent before the first
	// count.
	Survival *Survival `json:"survival,omitempty"`
	// Suspects is how many of them are marked: look at the audit log.
	Suspects int64 `json:"suspects"`
	// Alerts counts those that are not resolved, by severity.
	Alerts map[string]int64 `json:"open_alerts,omitempty"`
	// Deliveries are the receivers of the audit log, and of alerts, in the order of the
	// configuration.
	Deliveries []Delivery `json:"deliveries,omitempty"`
	// Certificates is how many are neither expired nor revoked.
	Certificates int64 `json:"live_certificates"`
	// Tokens is how many could still be spent.
	Tokens int64 `json:"open_tokens"`
	// Replicas are the daemons on the database, the one that started first before the
	// others, this one among them. Nothing vouches for what they say of themselves.
	Replicas []Replica `json:"replicas"`
	// RelyingParties are those that report which revocations they enforce.
	RelyingParties RelyingParties `json:"relying_parties"`
	// Entries is the size of the audit log, Checkpointed how much of it the
	// newest signed checkpoint covers.
	Entries      int64 `json:"audit_entries"`
	Checkpointed int64 `json:"audit_checkpointed"`
	// LogKey is what checkpoints are verified with (a C2SP verifier key).
	LogKey string `json:"audit_key"`
}

// A Delivery is how a receiver of the audit log is doing, whichever daemon delivers to it.
type Delivery struct {
	Sink    string     `json:"sink"`
	Waiting int64      `json:"waiting"`                 // entries that it has not been through
	Behind  int64      `json:"behind_seconds"`          // how long the oldest of them waits
	Failing *time.Time `json:"failing_since,omitempty"` // since when it takes nothing; absent: it does
	Trouble string     `json:"trouble,omitempty"`       // why
	// Refused is how many entries of the last day it refused, which were passed over: 100 at
	// most, of all receivers together.
	Refused int64 `json:"refused_in_a_day,omitempty"`
}

// A Replica is one of the daemons on a database.
type Replica struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	URL     string    `json:"url"`
	Started time.Time `json:"started_at"`
	Live    bool      `json:"live"`   // it renewed its lease within the last half second
	Eldest  bool      `json:"eldest"` // of those that live: it does what one of them does for all
	Self    bool      `json:"self"`   // it is the one that was asked
	Seen    int64     `json:"seen"`   // greatest CRL number that it has applied
}

// URLs are the daemon's real addresses.
type URLs struct {
	HTTPS  string `json:"https"`
	HTTP   string `json:"http"`
	EST    string `json:"est,omitempty"` // empty: there is none
	Ops    string `json:"ops"`
	Socket string `json:"socket"`
}

// An Issuer is one certificate of the chain.
type Issuer struct {
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256"` // of its DER, hex
	KeyID    string    `json:"key_id"` // hex
	NotAfter time.Time `json:"not_after"`
}

// Policy is one version of the policy.
type Policy struct {
	Version int64     `json:"version"`
	Text    string    `json:"text"` // TOML
	Digest  string    `json:"digest"`
	Loaded  time.Time `json:"loaded_at"`
	Actor   string    `json:"actor"`
}

// PolicyRequest puts a new policy in force.
type PolicyRequest struct {
	Text string `json:"text"`
	// Replaces is the version that the new one was made from; if another is in
	// force by then, the answer is 409. Zero does not ask.
	Replaces int64 `json:"replaces,omitempty"`
	// Reason is for whoever has to agree, where it takes two people.
	Reason string `json:"reason,omitempty"`
}
