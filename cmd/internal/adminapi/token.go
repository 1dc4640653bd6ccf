package adminapi

import (
	"fmt"
	"time"
)

// TokenRequest asks for a join token.
type TokenRequest struct {
	// Role and Name say whom the token admits. A name with a * is a pattern, and
	// admits new identities only; an exact name that is unknown becomes a pending
	// identity.
	Role string `json:"role"`
	Name string `json:"name"`
	// TTL is how long the token lives: at most 24 h; zero means 1 h.
	TTL Duration `json:"ttl,omitzero"`
	// Uses is how often it may be spent; zero means once.
	Uses int `json:"uses,omitempty"`
	// Replace lets an identity that already holds certificates enrol anew, which
	// supersedes them.
	Replace bool `json:"replace,omitempty"`
	// Owner answers for the identities that the token makes.
	Owner string `json:"owner,omitempty"`
	// Network, a CIDR, is where the token may be used from; empty: anywhere.
	Network string `json:"network,omitempty"`
	// SPKI is the SHA-256 of the only public key that may be certified with the
	// token (its SubjectPublicKeyInfo in DER), in hex; empty: any key.
	SPKI string `json:"spki,omitempty"`
	// EAB makes a token that an ACME account may be bound with, too (RFC 8555,
	// Section 7.3.4): for an exact name, and once.
	EAB bool `json:"eab,omitempty"`
	// Reason is for whoever has to agree, where it takes two people.
	Reason string `json:"reason,omitempty"`
}

// A Token is what the daemon remembers of a join token; its secret is not.
type Token struct {
	ID        string     `json:"id"` // 32 hex digits
	Role      string     `json:"role"`
	Name      string     `json:"name"` // or the pattern
	Pattern   bool       `json:"pattern"`
	Uses      int        `json:"uses"`
	MaxUses   int        `json:"max_uses"`
	Created   time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	Expires   time.Time  `json:"expires_at"`
	Revoked   *time.Time `json:"revoked_at,omitempty"`
	Replace   bool       `json:"replace"`
	Owner     string     `json:"owner,omitempty"`
	Network   string     `json:"network,omitempty"`
	SPKI      string     `json:"spki,omitempty"`
	EAB       bool       `json:"eab,omitempty"`
}

// NewToken is a token just made, with the text that its machine needs. It is
// shown once, here: the daemon keeps a hash and, of one for ACME, the secret
// sealed.
type NewToken struct {
	Token
	Secret string `json:"token"` // bt1.<secret>.<SHA-256 of the root>

	// What an ACME client is given of the same token; empty without EAB.
	KID     string `json:"kid,omitempty"`      // its id
	HMACKey string `json:"hmac_key,omitempty"` // its secret, in base64url without padding
}

// TokenFilter narrows a list; an empty field does not.
type TokenFilter struct {
	Role string
	Name string // exactly this name or pattern
	Open bool   // only those that could still be spent
}

// Duration is a time.Duration that reads and writes as text: "90m", "24h".
type Duration time.Duration

// MarshalText writes d as time.Duration.String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 90m or 24h", text)
	}
	*d = Duration(v)
	return nil
}
