package est

import (
	"crypto/subtle"
	"crypto/tls"
	"encoding/asn1"
	"encoding/base64"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
)

var (
	oidChallengePassword = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}         // RFC 2985, Section 5.4.1
	oidIdentityLinking   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 58} // RFC 7894, Section 3.3
)

// channelOf says what a request in DER says of the connection that it came by. What
// is no well-formed request says nothing; others will refuse it.
func channelOf(csr []byte, state *tls.ConnectionState) enroll.Channel {
	if state == nil {
		return enroll.ChannelUnbound
	}
	found := enroll.ChannelUnbound
	for oid, values := range requestAttributes(csr) {
		if !oid.Equal(oidChallengePassword) && !oid.Equal(oidIdentityLinking) {
			continue
		}
		text, ok := directoryString(values)
		if _, err := api.ParseToken(text); err == nil {
			continue // somebody's credential for another protocol
		}
		if !ok {
			return enroll.ChannelOther
		}
		switch names(text, state) {
		case enroll.ChannelOther:
			return enroll.ChannelOther
		case enroll.ChannelBound:
			found = enroll.ChannelBound
		}
	}
	return found
}

// names says whether text is what this connection has and no other one.
func names(text string, state *tls.ConnectionState) enroll.Channel {
	got, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(got) == 0 {
		return enroll.ChannelOther
	}
	// RFC 9266, Section 2: a zero-length context, 32 bytes. It fails on TLS 1.2 without
	// the extended master secret.
	exporter, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	unique := state.TLSUnique // of the first handshake, since there is no other one; nil on TLS 1.3
	switch {
	case err == nil && subtle.ConstantTimeCompare(got, exporter) == 1:
		return enroll.ChannelBound
	case len(unique) == 0 || subtle.ConstantTimeCompare(got, unique) == 0:
		return enroll.ChannelOther
	case err != nil:
		return enroll.ChannelUnbound // right, and no proof: another connection can have the same (RFC 7627, Section 1)
	}
	return enroll.ChannelBound
}

// requestAttributes yields the attributes of a CertificationRequest (RFC 2986, Section
// 4.1), up to the first that is malformed.
func requestAttributes(csr []byte) func(yield func(asn1.ObjectIdentifier, cryptobyte.String) bool) {
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

// directoryString returns the only value of an attribute, if it is text.
func directoryString(values cryptobyte.String) (string, bool) {
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
