package acme

import "net/netip"

// Settings are the operator's, the table [acme] of the configuration.
type Settings struct {
	// Enabled says whether there is ACME at all.
	Enabled bool
	// RequireEAB refuses new accounts without a token of `betonica token create
	// --eab`. Without it, everyone who reaches the listener may have an account, and
	// policy and challenges are all that stands between it and a certificate.
	RequireEAB bool
	// DefaultRole is the role of orders without a profile, of accounts without a
	// token; "": such orders must have a profile.
	DefaultRole string

	// HTTPPort and TLSALPNPort are where http-01 and tls-alpn-01 connect to; 0: 80
	// and 443, which clients count on.
	HTTPPort, TLSALPNPort int
	// Resolver answers the questions of validation, as host:port; "": the system's.
	Resolver string
	// AllowNetworks are those that validation may connect to. Empty: all but
	// loopback, link-local, multicast and unspecified addresses; otherwise these and
	// no other.
	AllowNetworks []netip.Prefix

	// TermsOfService is the URL of what clients have to agree to; "": nothing.
	TermsOfService string

	Limits Limits
}
