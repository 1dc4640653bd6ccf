package est

import (
	"encoding/asn1"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/ca"
)

var (
	oidECPublicKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256          = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidP384          = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	oidECDSASHA256   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSASHA384   = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	oidRSAEncryption = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidRSASHA256     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidEd25519       = asn1.ObjectIdentifier{1, 3, 101, 112}
)

// attributes answers GET csrattrs: what a request in the role should be like. It
// takes no credentials (RFC 7030, Section 4.5.2), so that without a label only the
// holder of a certificate of ours gets an answer, by that; all others get 204, which
// means that anything may be tried.
func (h *Handler) attributes(w http.ResponseWriter, r *http.Request, label string) error {
	if ours, _ := h.certificates(r); label == "" && ours != nil && len(ours.Subject.OrganizationalUnit) == 1 {
		label = ours.Subject.OrganizationalUnit[0] // nothing is given away to who lies
	}
	role, ok := h.Registrar.Policies.Current().Role(label)
	if !ok || !h.serves(label) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	body, err := attributesOf(role)
	if err != nil {
		return err
	}
	reply(w, mediaAttributes, encode(r, body))
	return nil
}

// attributesOf is the CsrAttrs (RFC 7030, Section 4.5.2; RFC 9908, Section 3.1) of a
// role: the kind of key that the role names first, a signature that goes with it, and
// challengePassword if the request must be bound to its connection. Names are not
// asked for: they come from the record. All of it are object identifiers, and
// attributes of one value, which is as much as clients of before RFC 9908
// understand; its templates are left out, for they would say no more.
func attributesOf(role ca.Role) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		if role.ChannelBinding {
			b.AddASN1ObjectIdentifier(oidChallengePassword)
		}
		if len(role.Keys) > 0 {
			addKey(b, role.Keys[0])
		}
	})
	return b.Bytes()
}

// addKey adds what a key of that kind, as policy writes it, is called here.
func addKey(b *cryptobyte.Builder, kind string) {
	curve := func(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
		addAttribute(b, oidECPublicKey, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
	}
	bits, isRSA := strings.CutPrefix(kind, "RSA-")
	switch {
	case kind == "P-256":
		curve(b, oidP256)
		b.AddASN1ObjectIdentifier(oidECDSASHA256)
	case kind == "P-384":
		curve(b, oidP384)
		b.AddASN1ObjectIdentifier(oidECDSASHA384)
	case kind == "Ed25519":
		b.AddASN1ObjectIdentifier(oidEd25519)
	case isRSA:
		n, _ := strconv.ParseInt(bits, 10, 32) // policy has read it
		addAttribute(b, oidRSAEncryption, func(b *cryptobyte.Builder) { b.AddASN1Int64(n) })
		b.AddASN1ObjectIdentifier(oidRSASHA256)
	}
}

func addAttribute(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(der.SET, value)
	})
}
