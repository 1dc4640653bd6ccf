package enroll

import "github.com/betonica/betonica/ca"

// A Channel is what a certificate request says of the TLS connection that it came
// by. EST can bind the two together (RFC 7030, Section 3.5), so that nobody in
// between can pass a request on; no other protocol does.
type Channel int

const (
	ChannelAny     Channel = iota // the protocol binds nothing
	ChannelUnbound                // the request names no connection
	ChannelBound                  // the request names the connection that it came by
	ChannelOther                  // the request names another one: somebody passed it on
)

// refusal says why a request is not taken, or "". required is ChannelBinding of the
// role that it is for.
func (c Channel) refusal(required bool) string {
	switch {
	case c == ChannelOther:
		return "the request is bound to another TLS connection than the one that it came by"
	case c == ChannelUnbound && required:
		return "the request must be bound to its TLS connection: challengePassword holds tls-unique or tls-exporter in base64"
	}
	return ""
}

// admitsChannel returns a [*ca.DeniedError] if the identity's role does not take a
// request of that channel, or nil.
func (r *Registrar) admitsChannel(id ca.ID, c Channel) error {
	role, ok := r.Policies.Current().Role(id.Role())
	if why := c.refusal(ok && role.ChannelBinding); why != "" {
		return &ca.DeniedError{ID: id, Rule: id.Role(), Reason: why}
	}
	return nil
}
