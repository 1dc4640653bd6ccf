package ca

import (
	"encoding/asn1"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidOrganization       = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidOrganizationalUnit = asn1.ObjectIdentifier{2, 5, 4, 11}

	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidCRLDistribution  = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidFreshestCRL      = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidAuthorityInfo    = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}

	oidServerAuth = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	oidOCSP       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidCAIssuers  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
)

func addBytes(b *cryptobyte.Builder, tag der.Tag, value []byte) {
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(value) })
}

// addExtension adds an Extension whose value is what f adds.
func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, f cryptobyte.BuilderContinuation) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(der.OCTET_STRING, f)
	})
}

// addAccess adds an AccessDescription (RFC 5280, Section 4.2.2.1).
func addAccess(b *cryptobyte.Builder, method asn1.ObjectIdentifier, url string) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(method)
		addBytes(b, tagURI, []byte(url))
	})
}

// addDistributionPoint adds CRLDistributionPoints of one point with one URL (RFC
// 5280, Section 4.2.1.13).
func addDistributionPoint(b *cryptobyte.Builder, url string) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // CRLDistributionPoints
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // DistributionPoint
			outer := der.Tag(0).ContextSpecific().Constructed()
			b.AddASN1(outer, func(b *cryptobyte.Builder) { // distributionPoint
				b.AddASN1(outer, func(b *cryptobyte.Builder) { // fullName
					addBytes(b, tagURI, []byte(url))
				})
			})
		})
	})
}

// addListURL adds an extension that says where a list is: CRL distribution points, or
// freshest CRL, which has the same syntax (RFC 5280, Section 4.2.1.15).
func addListURL(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, url string) {
	addExtension(b, oid, false, func(b *cryptobyte.Builder) { addDistributionPoint(b, url) })
}

// addAttribute adds a RelativeDistinguishedName of one attribute, as a
// PrintableString where it can be one (RFC 5280, Section 4.1.2.4). Of what an ID
// is made of, only '_' is outside of it.
func addAttribute(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value string) {
	tag := der.PrintableString
	if strings.Contains(value, "_") {
		tag = der.UTF8String
	}
	b.AddASN1(der.SET, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			addBytes(b, tag, []byte(value))
		})
	})
}

// addTime adds a Time in whole seconds: UTCTime through 2049, GeneralizedTime
// from 2050 (RFC 5280, Section 4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	t = t.UTC().Truncate(time.Second)
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
	} else {
		b.AddASN1GeneralizedTime(t)
	}
}
