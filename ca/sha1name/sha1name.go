// Package sha1name is the home of SHA-1, which nothing else here computes. It makes names
// that standards from before 2017 make of keys and of issuers: the CertIDs of OCSP clients
// that know no other (RFC 6960, Section 4.1.1), a responder's name (Section 4.2.1), and the
// usual key identifier of a certificate that does not say its own (RFC 5280, Section
// 4.2.1.2).
//
// Nothing rests on its being hard to collide. A name says which certificate is meant of
// those that are there anyway: who makes two keys of one name has an answer about the one
// or the other, each true and signed by SHA-2, and a peer takes none for a certificate whose
// serial it does not hold. So it works where FIPS 140-3 is enforced, which forbids SHA-1 for
// security. Our own certificates' key identifiers are cut
// from SHA-256 (RFC 7093, Section 2), and what is signed over SHA-1 is taken nowhere.
package sha1name

import (
	"crypto/fips140"
	"crypto/sha1"
)

// Size is the length of a name in bytes.
const Size = sha1.Size

// Of returns the name of data: what is hashed is the standard's to say.
func Of(data []byte) (name [Size]byte) {
	fips140.WithoutEnforcement(func() { name = sha1.Sum(data) })
	return name
}
