package est

import (
	"crypto/subtle"
	"crypto/tls"
	"encoding/asn1"
	"encoding/base64"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/pkcs10"
)

var (
	oidChallengePassword = pkcs10.ChallengePassword
	oidIdentityLinking   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 58} // RFC 7894, Section 3.3
)

// channelOf says what a request in DER says of the connection that it came by. What
// is no well-formed request says nothing; others will refuse it.
func channelOf(csr []byte, state *tls.ConnectionState) enroll.Channel {
	if state == nil {
		return enroll.ChannelUnbound
	}
	found := enroll.ChannelUnbound
	for oid, values := range pkcs10.Attributes(csr) {
		if !oid.Equal(oidChallengePassword) && !oid.Equal(oidIdentityLinking) {
			continue
		}
		text, ok := pkcs10.Text(values)
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
