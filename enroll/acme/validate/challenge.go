package validate

// The challenge types that [Validator.Validate] knows.
const (
	HTTP01    = "http-01"     // RFC 8555, Section 8.3
	DNS01     = "dns-01"      // RFC 8555, Section 8.4
	TLSALPN01 = "tls-alpn-01" // RFC 8737
)

// A Challenge is what a client says that it has answered.
type Challenge struct {
	// Type is one of the types above.
	Type string

	// Token is the challenge's token, base64url as it was given to the client. It
	// becomes part of a URL's path.
	Token string

	// KeyAuthorization is token || '.' || thumbprint of the account's key
	// (RFC 8555, Section 8.1).
	KeyAuthorization string

	// Identifier is what is to be shown: a DNS name in lower case, without "*."
	// and without the final dot, or an IP address in its canonical text (RFC 5952
	// for IPv6). What parses as an address is one: no DNS name does.
	Identifier string

	// Wildcard says that the order asks for "*." + Identifier, which only dns-01
	// can show: whoever runs a host does not speak for all names below it.
	Wildcard bool
}
