package crl

import "github.com/betonica/betonica/revoke/x690"

// Revoked returns the contents of revokedCertificates as they stand in a list, and nil if
// it has none. Nobody has verified them: but if they are those of a list that was, this
// one says nothing that is not known, whoever made it, and need not be verified to learn
// that. The bytes are der's.
func Revoked(der []byte) ([]byte, error) {
	r := x690.Document(der, "CertificateList")
	in := r.Nested(x690.Sequence, "tbsCertList")
	in.Read(x690.Integer, "version")
	in.SignatureAlgorithm()
	in.Element(x690.Sequence, "issuer")
	in.Time("thisUpdate")
	in.Time("nextUpdate")
	var said []byte
	if in.Next(x690.Sequence) {
		said = in.Read(x690.Sequence, "revokedCertificates")
	}
	return said, in.Err
}
