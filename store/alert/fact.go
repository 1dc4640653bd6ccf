package alert

import (
	"net/netip"
	"time"

	"github.com/betonica/betonica/store/audit/plain"
)

// A Kind is what sort of thing happened.
type Kind uint8

// Kinds of facts; the zero Kind is of no interest to any rule. Those of the first group
// come from entries, by [Of]; those of the second are measured by whoever runs the engine.
const (
	Issued    Kind = iota + 1 // a certificate was issued; the clock of who asked is off by Age
	Joined                    // an account was bound to an identity, which enrols so
	Forked                    // a certificate has two holders: Code says how that shows
	Late                      // an expired certificate asked to be renewed; Ends is its end
	KeyTaken                  // Identity asked with the public key of Other
	Misused                   // a token, or another credential, was used where it is not good
	Refused                   // the holder of a good certificate was not served
	Stranger                  // somebody was refused who proved nothing
	Dropped                   // Count strangers were refused, of whom no more is on record
	Void                      // a certificate was presented that is Code: revoked, suspended or expired
	Used                      // a guard let a machine through
	Revoked                   // Identity lost the certificates Serials
	Suspended                 // Identity was suspended or retired
	Resumed                   // Identity was resumed
	Evidence                  // what should prove something proves the contrary; Why says what
	Emergency                 // a person, Identity, took emergency powers
	Calm                      // and they are over
	Unissued                  // a certificate by our key, Serial of Identity, that no record says was issued
	kindsOfEntries

	Lag        // what leaves for Other is behind by Age
	Checkpoint // the newest checkpoint is of Age
	Verified   // the log Other was verified: Why says what is wrong, "" nothing
	Clock      // the clock of Identity is off by Age
	Unrenewed  // at Site, Count certificates of Of are in the last quarter of their life; Other's is the next to end
	Census     // role Other has Count active identities
	Window     // planned work at Site, "" everywhere, until Ends; Other says what
	kinds
)

// Codes say more of some kinds.
const (
	CodeInUse    = "in-use"   // Forked: renewed though its child was in use
	CodeOtherKey = "key"      // Forked: renewed twice, with different keys
	CodeBehind   = "behind"   // Forked: renewed late, though a newer one exists
	CodeReused   = "reused"   // Misused: a token or birth certificate that was used up
	CodeNetwork  = "network"  // Misused: a token from outside its network
	CodeMixed    = "mixed"    // Misused: credentials that do not belong together
	CodeRevoked  = "revoked"  // Void
	CodeSleeping = "inactive" // Void: its identity is suspended, or no more
	CodeExpired  = "expired"  // Void
)

// A Fact is one thing that happened, or was measured. What does not apply is zero. Texts
// may be a stranger's: [Engine.Observe] cuts and cleans them.
type Fact struct {
	Kind Kind

	// Origin is the log that says so: "" for the CA's own, the name of a guard's journal
	// otherwise. With Seq, the number of the entry there, it makes the fact unique: a fact
	// that comes again is passed over. Seq 0 is measured, and always new.
	Origin string
	Seq    int64
	At     time.Time // by the clock of whoever recorded it

	Identity string // path of the machine, or person, that it is about
	Site     string // where that stands, if known: free text
	Other    string // the other party: a token, an identity, a sink, a role
	Address  netip.Addr
	Serial   string    // of the certificate that was shown or issued, 32 hex digits
	Since    time.Time // when the connection began; zero: not known
	Ends     time.Time // the end of the certificate, or of the window
	Renewal  bool      // Issued by a certificate
	Serials  []string  // of Revoked
	Code     string    // see the constants
	Why      string    // as it is on record

	Route    string // the guard's listener
	Resource string // what was asked for there
	Reads    bool   // ePHI
	Bytes    int64  // of payload, both ways

	// Cites is the entry that a fact of Seq 0 was read from: it was told as another fact.
	Cites Ref

	Count, Of int64
	Age       time.Duration

	id, log uint64 // hashes of Identity and Origin
}

// Role returns the role in the path of the identity.
func (f *Fact) Role() string { return roleOf(f.Identity) }

func roleOf(path string) string {
	for i := range len(path) {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return path
}

// Bounds of a fact's texts, in bytes.
const (
	maxPath    = 192
	maxOrigin  = 256
	maxWord    = 96
	maxWhy     = 256
	maxSerials = 4096
)

// bounded returns f with every text printable and cut, and no number below zero.
func (f Fact) bounded() Fact {
	for _, t := range [...]struct {
		text *string
		max  int
	}{
		{&f.Origin, maxOrigin}, {&f.Identity, maxPath}, {&f.Site, maxWord}, {&f.Other, maxPath}, {&f.Serial, maxWord},
		{&f.Code, maxWord}, {&f.Why, maxWhy}, {&f.Route, maxWord}, {&f.Resource, maxPath}, {&f.Cites.Origin, maxOrigin},
	} {
		*t.text = plain.Clean(*t.text, t.max)
	}
	f.Serials = f.Serials[:min(len(f.Serials), maxSerials)]
	f.Bytes, f.Count, f.Of = max(f.Bytes, 0), max(f.Count, 0), max(f.Of, 0)
	f.Address = f.Address.Unmap().WithZone("")
	return f
}

// ref is the entry that says so; one of number 0 is none.
func (f *Fact) ref() Ref {
	if f.Seq <= 0 {
		return f.Cites
	}
	return Ref{f.Origin, f.Seq}
}
