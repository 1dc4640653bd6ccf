package acme

// Settings are the operator's, of the table [acme] of the configuration. Where
// challenges are looked for is the [Validator]'s to know.
type Settings struct {
	// RequireEAB refuses new accounts without a token of `betonica token create
	// --eab`. Without it, everyone who reaches the listener may have an account, and
	// policy and challenges are all that stands between it and a certificate.
	RequireEAB bool
	// DefaultRole is the role of orders without a profile, of accounts without a
	// token; "": such orders must have a profile.
	DefaultRole string

	// TermsOfService is the URL of what clients have to agree to; "": nothing.
	TermsOfService string

	Limits Limits
}
