package store

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// AltNames reads the DNS names and addresses of the certificate from its DER, in the
// order in which they stand there: those of its subjectAltName (RFC 5280, Section
// 4.2.1.6). What [x509.ParseCertificate] takes has the same names here. Of the rest
// nothing is judged: it is for lists of certificates that this CA signed, where parsing
// each of them whole costs ten times as much.
func (c *Certificate) AltNames() (dns []string, ips []net.IP, err error) {
	names, err := altNames(c.DER)
	for err == nil && !names.Empty() {
		var name cryptobyte.String
		var tag asn1.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			err = errAltNames
		}
		switch {
		case tag == tagDNSName:
			dns = append(dns, string(name))
		case tag == tagIPAddress && (len(name) == net.IPv4len || len(name) == net.IPv6len):
			ips = append(ips, net.IP(name))
		case tag == tagIPAddress:
			err = errAltNames
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the names of certificate %s of record: %w", c.Serial, err)
	}
	return dns, ips, nil
}

// Of a GeneralName, context-specific.
const (
	tagDNSName   = asn1.Tag(0x80 | 2)
	tagIPAddress = asn1.Tag(0x80 | 7)
)

var errAltNames = errors.New("malformed certificate")

// altNames returns the GeneralNames of the certificate's subjectAltName; none is no error.
func altNames(der []byte) (cryptobyte.String, error) {
	in := cryptobyte.String(der)
	var cert, tbs, extensions cryptobyte.String
	var version int
	var some bool
	explicit := func(n asn1.Tag) asn1.Tag { return n.ContextSpecific().Constructed() }
	if !in.ReadASN1(&cert, asn1.SEQUENCE) || !in.Empty() ||
		!cert.ReadASN1(&tbs, asn1.SEQUENCE) ||
		!tbs.ReadOptionalASN1Integer(&version, explicit(0), 0) ||
		!tbs.SkipASN1(asn1.INTEGER) || // serialNumber
		!tbs.SkipASN1(asn1.SEQUENCE) || // signature
		!tbs.SkipASN1(asn1.SEQUENCE) || // issuer
		!tbs.SkipASN1(asn1.SEQUENCE) || // validity
		!tbs.SkipASN1(asn1.SEQUENCE) || // subject
		!tbs.SkipASN1(asn1.SEQUENCE) || // subjectPublicKeyInfo
		!tbs.SkipOptionalASN1(asn1.Tag(1).ContextSpecific()) || // issuerUniqueID
		!tbs.SkipOptionalASN1(asn1.Tag(2).ContextSpecific()) || // subjectUniqueID
		!tbs.ReadOptionalASN1(&extensions, &some, explicit(3)) {
		return nil, errAltNames
	}
	if !some || version != 2 { // v3, which alone has extensions
		return nil, nil
	}
	if !extensions.ReadASN1(&extensions, asn1.SEQUENCE) {
		return nil, errAltNames
	}
	for !extensions.Empty() {
		var extension, id, value, names cryptobyte.String
		if !extensions.ReadASN1(&extension, asn1.SEQUENCE) ||
			!extension.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) ||
			!extension.SkipOptionalASN1(asn1.BOOLEAN) || // critical
			!extension.ReadASN1(&value, asn1.OCTET_STRING) {
			return nil, errAltNames
		}
		if string(id) != oidSubjectAltName {
			continue
		}
		if !value.ReadASN1(&names, asn1.SEQUENCE) {
			return nil, errAltNames
		}
		return names, nil // there is no second
	}
	return nil, nil
}

const oidSubjectAltName = "\x55\x1d\x11" // 2.5.29.17
