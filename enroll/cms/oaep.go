package cms

import (
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSHA256     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidMGF1       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidPSpecified = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 9}
)

// addOAEP adds the AlgorithmIdentifier of RSAES-OAEP with SHA-256, which is also MGF1's, and
// no label (RFC 4055, Section 4.1).
func addOAEP(b *cryptobyte.Builder) {
	context := func(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }
	hash := func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSHA256)
			b.AddASN1NULL()
		})
	}
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(RSAESOAEP)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(context(0), hash)
			b.AddASN1(context(1), func(b *cryptobyte.Builder) {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidMGF1)
					hash(b)
				})
			})
		})
	})
}

// OAEPWithSHA256 reports whether parameters of [RSAESOAEP], in DER, say what [Seal] encrypts
// by: SHA-256, also for MGF1, and no label. Where nothing is said of MGF1 that is meant too:
// by the letter it would be SHA-1, and yet clients of a library in wide use leave it out
// that take SHA-256 for both.
func OAEPWithSHA256(parameters []byte) bool {
	context := func(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }
	input := cryptobyte.String(parameters)
	var all, hash, mask, source cryptobyte.String
	var masked, sourced bool
	if !input.ReadASN1(&all, der.SEQUENCE) || !input.Empty() ||
		!all.ReadASN1(&hash, context(0)) || !all.ReadOptionalASN1(&mask, &masked, context(1)) ||
		!all.ReadOptionalASN1(&source, &sourced, context(2)) || !all.Empty() || !isSHA256(hash) {
		return false
	}
	if masked {
		var algorithm cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !mask.ReadASN1(&algorithm, der.SEQUENCE) || !mask.Empty() || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
			!oid.Equal(oidMGF1) || !isSHA256(algorithm) {
			return false
		}
	}
	if sourced {
		var algorithm, label cryptobyte.String
		var oid asn1.ObjectIdentifier
		return source.ReadASN1(&algorithm, der.SEQUENCE) && source.Empty() && algorithm.ReadASN1ObjectIdentifier(&oid) &&
			oid.Equal(oidPSpecified) && algorithm.ReadASN1(&label, der.OCTET_STRING) && algorithm.Empty() && label.Empty()
	}
	return true
}

// isSHA256 reports whether s is one AlgorithmIdentifier, of SHA-256: its parameters are NULL,
// or absent (RFC 4055, Section 2.1).
func isSHA256(s cryptobyte.String) bool {
	var algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&algorithm, der.SEQUENCE) || !s.Empty() || !algorithm.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidSHA256) {
		return false
	}
	var null cryptobyte.String
	return algorithm.Empty() || algorithm.ReadASN1(&null, der.NULL) && null.Empty() && algorithm.Empty()
}
