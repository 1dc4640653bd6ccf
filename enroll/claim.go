package enroll

import (
	"crypto/x509"
	"net/netip"
	"time"
)

// A Claim is all that a machine shows when it asks for its first certificate. What is
// zero was not shown.
type Claim struct {
	// CSR is the request, in PEM or DER.
	CSR []byte
	// From is the address that it speaks from; the zero Addr if that is no network.
	From netip.Addr
	// Sent is when it was made, by the machine's own clock; zero: it does not say.
	Sent time.Time
	// Role is the role that it asks for; "": the one that its credentials are for.
	Role string
	// Token is the text of a join token.
	Token string
	// Birth is the certificate that the manufacturer gave it (IEEE 802.1AR: IDevID), and
	// those between that and a root, as presented in a TLS handshake, which has proved
	// possession of the first one's key. Nothing else of them is taken for granted.
	Birth []*x509.Certificate
	// TPM is what its TPM has said of the key of the CSR.
	TPM *Attestation
	// Ask says that it would wait for a person's approval.
	Ask bool
	// Channel is what the CSR says of the connection that it came by.
	Channel Channel
	// ServerKey says that the key of the CSR was made for the machine, not by it.
	ServerKey bool
	// Replayable says that whoever has seen the request can bring it again, as over SCEP.
	// That its token comes again with its key is no sign then that somebody has both.
	Replayable bool
}

// shows reports whether there is a credential in it.
func (c *Claim) shows() bool { return c.Token != "" || len(c.Birth) > 0 || c.TPM != nil }
