package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidCommonName       = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSAN              = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidPermanentID      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3}
	oidExtensionRequest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
)

// The tags of a GeneralName (RFC 5280, Section 4.2.1.6) that we know.
var (
	tagOther = der.Tag(0).ContextSpecific().Constructed()
	tagEmail = der.Tag(1).ContextSpecific()
	tagDNS   = der.Tag(2).ContextSpecific()
	tagURI   = der.Tag(6).ContextSpecific()
	tagIP    = der.Tag(7).ContextSpecific()
)

// requestCommonName returns the subject's only common name, or "". What else the
// subject says is ignored: O and OU of the certificate are ours.
func requestCommonName(csr *x509.CertificateRequest) (string, error) {
	name, count := "", 0
	for _, attribute := range csr.Subject.Names {
		if attribute.Type.Equal(oidCommonName) {
			name, _ = attribute.Value.(string)
			count++
		}
	}
	if count > 1 {
		return "", requestErrorf("subject has more than one common name")
	}
	if count == 1 && name == "" {
		return "", requestErrorf("common name is empty or not text")
	}
	return name, nil
}

// readNames fills in the names of the request whose CertificationRequestInfo is
// info. It reads them itself since crypto/x509 passes over kinds of names, and
// repetitions, that it does not know: what is asked for and not understood must
// be refused, not dropped.
func (r *Request) readNames(info cryptobyte.String) error {
	var attributes cryptobyte.String
	if !info.ReadASN1(&info, der.SEQUENCE) ||
		!info.SkipASN1(der.INTEGER) || // version
		!info.SkipASN1(der.SEQUENCE) || // subject
		!info.SkipASN1(der.SEQUENCE) || // subjectPKInfo
		!info.ReadASN1(&attributes, der.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return requestErrorf("not a well-formed PKCS #10 structure")
	}
	extensions, err := requestExtensions(attributes)
	if err != nil {
		return err
	}
	names, err := requestSAN(extensions)
	if err != nil {
		return err
	}
	for count := 0; !names.Empty(); count++ {
		if count == maxNames {
			return requestErrorf("more than %d names", maxNames)
		}
		var name cryptobyte.String
		var tag der.Tag
		if !names.ReadAnyASN1(&name, &tag) {
			return requestErrorf("malformed subject alternative name")
		}
		if err := r.addName(tag, name); err != nil {
			return err
		}
	}
	r.sortNames()
	return nil
}

func (r *Request) sortNames() {
	slices.Sort(r.dns)
	r.dns = slices.Compact(r.dns)
	slices.SortFunc(r.ips, netip.Addr.Compare)
	r.ips = slices.Compact(r.ips)
}

// requestExtensions returns the content of the only extensionRequest (RFC 2985,
// Section 5.4.2); nil if there is none.
func requestExtensions(attributes cryptobyte.String) (cryptobyte.String, error) {
	var extensions cryptobyte.String
	found := false
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, der.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, der.SET) || !attribute.Empty() {
			return nil, requestErrorf("malformed attribute")
		}
		if !oid.Equal(oidExtensionRequest) {
			continue
		}
		if found || !values.ReadASN1(&extensions, der.SEQUENCE) || !values.Empty() {
			return nil, requestErrorf("malformed or repeated extension request")
		}
		found = true
	}
	return extensions, nil
}

// requestSAN returns the names of the only subjectAltName among extensions; nil
// if there is none.
func requestSAN(extensions cryptobyte.String) (cryptobyte.String, error) {
	var names cryptobyte.String
	found := false
	for !extensions.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !extensions.ReadASN1(&extension, der.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			!extension.SkipOptionalASN1(der.BOOLEAN) || // critical
			!extension.ReadASN1(&value, der.OCTET_STRING) || !extension.Empty() {
			return nil, requestErrorf("malformed extension")
		}
		if !oid.Equal(oidSAN) {
			continue
		}
		if found || !value.ReadASN1(&names, der.SEQUENCE) || !value.Empty() {
			return nil, requestErrorf("malformed or repeated subject alternative name")
		}
		found = true
	}
	return names, nil
}

func (r *Request) addName(tag der.Tag, value []byte) error {
	switch tag {
	case tagDNS:
		name, err := requestDNSName(string(value))
		if err != nil {
			return requestErrorf("%v", err)
		}
		r.dns = append(r.dns, name)
	case tagIP:
		addr, ok := netip.AddrFromSlice(value)
		if !ok {
			return requestErrorf("IP address of %d bytes", len(value))
		}
		r.ips = append(r.ips, addr.Unmap())
	case tagURI:
		id, err := ParseID(string(value))
		if err != nil {
			return requestErrorf("URI name: %v", err)
		}
		if !r.id.IsZero() {
			return requestErrorf("more than one URI name")
		}
		r.id = id
	case tagOther:
		id, err := permanentID(value)
		if err != nil {
			return err
		}
		if r.permanent != "" {
			return requestErrorf("more than one permanent identifier")
		}
		r.permanent = id
	case tagEmail:
		return requestErrorf("e-mail names are not accepted")
	default:
		return requestErrorf("names other than DNS names, IP addresses, SPIFFE IDs and permanent identifiers are not accepted")
	}
	return nil
}

// requestDNSName is DNSName that also takes a wildcard: "*." before a name. Who may
// have one is for policy to say.
func requestDNSName(s string) (string, error) {
	domain, wildcard := strings.CutPrefix(s, "*.")
	name, err := DNSName(domain)
	if err != nil || !wildcard {
		return name, err
	}
	return "*." + name, nil
}

// permanentID reads the content of an otherName that is a PermanentIdentifier (RFC
// 4043, Section 2), a value without an assigner. The value names an identity, and
// has its form.
func permanentID(other cryptobyte.String) (string, error) {
	var oid asn1.ObjectIdentifier
	var explicit, id, value cryptobyte.String
	if !other.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidPermanentID) {
		return "", requestErrorf("names other than DNS names, IP addresses, SPIFFE IDs and permanent identifiers are not accepted")
	}
	if !other.ReadASN1(&explicit, der.Tag(0).ContextSpecific().Constructed()) || !other.Empty() ||
		!explicit.ReadASN1(&id, der.SEQUENCE) || !explicit.Empty() ||
		!id.ReadASN1(&value, der.UTF8String) || !id.Empty() {
		return "", requestErrorf("a permanent identifier is malformed, has no value, or has an assigner")
	}
	if err := checkName(string(value)); err != nil {
		return "", requestErrorf("permanent identifier: %v", err)
	}
	return string(value), nil
}
