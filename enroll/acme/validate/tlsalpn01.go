package validate

import (
	"context"
	"crypto/tls"
)

// alpnProtocol is what both sides must speak (RFC 8737, Section 6.2).
const alpnProtocol = "acme-tls/1"

// tlsALPN01 shakes hands with the host, and looks at the certificate that it
// shows (RFC 8737, Section 3). Nothing is sent or read afterwards.
func (v *Validator) tlsALPN01(ctx context.Context, c Challenge, s subject) error {
	raw, err := v.connect(ctx, s.host(), v.tlsPort)
	if err != nil {
		return err
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{
		ServerName:         s.serverName(),
		NextProtos:         []string{alpnProtocol},
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // the certificate is self-signed; checkCertificate looks at it
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return handshakeError(err)
	}
	state := conn.ConnectionState()
	if state.NegotiatedProtocol != alpnProtocol {
		return incorrect("the server did not negotiate " + alpnProtocol)
	}
	return checkCertificate(state.PeerCertificates[0], s, c.KeyAuthorization)
}
