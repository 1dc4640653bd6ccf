// Package pkcs10 reads the attributes of a certificate request that package ca has no
// use for, and protocols do. It verifies nothing.
package pkcs10

import (
	"encoding/asn1"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// ChallengePassword is the attribute of RFC 2985, Section 5.4.1.
var ChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}

// Attributes yields the attributes of a CertificationRequest (RFC 2986, Section
// 4.1), up to the first that is malformed.
func Attributes(csr []byte) func(yield func(asn1.ObjectIdentifier, cryptobyte.String) bool) {
	return func(yield func(asn1.ObjectIdentifier, cryptobyte.String) bool) {
		input := cryptobyte.String(csr)
		var request, info, attributes cryptobyte.String
		if !input.ReadASN1(&request, der.SEQUENCE) || !request.ReadASN1(&info, der.SEQUENCE) ||
			!info.SkipASN1(der.INTEGER) || !info.SkipASN1(der.SEQUENCE) || !info.SkipASN1(der.SEQUENCE) ||
			!info.ReadASN1(&attributes, der.Tag(0).ContextSpecific().Constructed()) {
			return
		}
		for !attributes.Empty() {
			var attribute, values cryptobyte.String
			var oid asn1.ObjectIdentifier
			if !attributes.ReadASN1(&attribute, der.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) || !attribute.ReadASN1(&values, der.SET) {
				return
			}
			if !yield(oid, values) {
				return
			}
		}
	}
}

// Text returns the only value of an attribute, if it is text.
func Text(values cryptobyte.String) (string, bool) {
	var value cryptobyte.String
	var tag der.Tag
	if !values.ReadAnyASN1(&value, &tag) || !values.Empty() {
		return "", false
	}
	switch tag {
	case der.UTF8String, der.PrintableString, der.T61String, der.IA5String:
		return strings.Clone(string(value)), true
	}
	return "", false
}
