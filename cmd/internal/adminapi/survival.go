package adminapi

import "time"

// A Survival says how long machines go on if the CA stops now: until the certificates
// that they hold end, or those who check them have no revocation list any more that they
// take, whichever is first.
type Survival struct {
	// Counted is when it was counted last who holds what: renewals since then are not in.
	Counted time.Time `json:"counted_at"`

	ListEnds time.Time `json:"list_ends_at,omitzero"` // nextUpdate of the list that ends first; zero: there is none
	AgeEnds  time.Time `json:"max_age_ends_at"`       // when the newest list is older than relying parties take
	MaxAge   int64     `json:"max_age_seconds"`       // of the strictest of them that is connected
	// MaxAgeSaid is whether one is connected; otherwise MaxAge is their default.
	MaxAgeSaid bool `json:"max_age_said"`

	Bound string          `json:"bound"` // what the first falls by: certificate, list or max_age
	All   SurvivalGroup   `json:"all"`
	Roles []SurvivalGroup `json:"roles"`
	Sites []SurvivalGroup `json:"sites"`
}

// What the first falls by.
const (
	BoundCertificate = "certificate"
	BoundList        = "list"
	BoundMaxAge      = "max_age"
)

// A SurvivalGroup is the machines of a role, or at a site; times are about a 32nd of how
// far away they are early, never late.
type SurvivalGroup struct {
	Name    string    `json:"name,omitempty"` // of the role or the site; a machine of no site is in none
	Devices int64     `json:"devices"`        // that hold a certificate in time
	First   time.Time `json:"first_at"`       // when the first of them falls
	Half    time.Time `json:"half_at"`        // and half of them have

	// The same by their certificates alone, and who is the first.
	FirstCertificate time.Time `json:"first_certificate_at"`
	HalfCertificate  time.Time `json:"half_certificate_at"`
	FirstIdentity    string    `json:"first_identity,omitempty"`
}
