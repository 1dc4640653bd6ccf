package est

import "crypto/tls"

// TLS returns the configuration of a listener for EST clients (RFC 7030, Section 3.3).
// Old ones speak TLS 1.2, and get forward secrecy and authenticated encryption or
// nothing. A client certificate is asked for and not verified: handlers look up whom
// it belongs to. There are no session tickets, so that every connection has a
// handshake, and a binding, of its own; and crypto/tls renegotiates with no client. An
// answer is one record: strongSwan 5.9 gives up where the next has not come yet.
func TLS(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		ClientAuth:             tls.RequestClientCert,
		GetCertificate:         certificate,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true,

		DynamicRecordSizingDisabled: true,
	}
}
