package est

import (
	"crypto/x509"
	"encoding/asn1"
	"net/http"
	"slices"
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

	oidExtensionReq = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}
)

// attributes answers GET csrattrs: what a request in the role should be like. It
// takes no credentials (RFC 7030, Section 4.5.2), so that without a label only the
// holder of a certificate of ours gets an answer, by that; all others get 204, which
// means that anything may be tried.
func (h *Handler) attributes(w http.ResponseWriter, r *http.Request, label string) error {
	ours, _ := h.certificates(r)
	if label == "" && ours != nil && len(ours.Subject.OrganizationalUnit) == 1 {
		label = ours.Subject.OrganizationalUnit[0] // nothing is given away to who lies
	}
	role, ok := h.Registrar.Policies.Current().Role(label)
	if !ok || !h.serves(label) {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	d := demand{role: role}
	if ours != nil && slices.Equal(ours.Subject.OrganizationalUnit, []string{label}) {
		d.holder = ours
	}
	body, err := d.marshal()
	if err != nil {
		return err
	}
	reply(w, mediaAttributes, encode(r, body))
	return nil
}

// A demand is what a request in a role should be like.
type demand struct {
	role   ca.Role
	holder *x509.Certificate // whose next one it is for; nil: it is for a first one
}

// marshal returns the CsrAttrs (RFC 7030, Section 4.5.2; RFC 9908, Section 3): one after
// the other what clients of before RFC 9908 understand, the kind of key that the role
// names first, a signature that goes with it, the extensions that are known, and
// challengePassword if the request must be bound to its connection; and then the same as
// a template, which the others take alone. A template cannot ask for an attribute without
// saying its value, so there is none where challengePassword is wanted: then they go by
// the rest.
//
// Names are asked for only of who follows on a certificate; otherwise they come from the
// record.
func (d demand) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		if d.role.ChannelBinding {
			b.AddASN1ObjectIdentifier(oidChallengePassword)
		}
		d.key().addTo(b)
		if all := slices.DeleteFunc(d.extensions(), extension.open); len(all) > 0 {
			addAttribute(b, oidExtensionReq, func(b *cryptobyte.Builder) { addExtensions(b, all) })
		}
		if !d.role.ChannelBinding {
			addAttribute(b, oidTemplate, d.addTemplate)
		}
	})
	return b.Bytes()
}

// A keyKind is a kind of key as policy writes it, in identifiers.
type keyKind struct {
	algorithm, curve, signature asn1.ObjectIdentifier
	bits                        int // of RSA
}

// key is the kind that the role names first; all roles name one.
func (d demand) key() keyKind {
	switch kind := d.role.Keys[0]; kind {
	case "P-256":
		return keyKind{oidECPublicKey, oidP256, oidECDSASHA256, 0}
	case "P-384":
		return keyKind{oidECPublicKey, oidP384, oidECDSASHA384, 0}
	case "Ed25519":
		return keyKind{oidEd25519, nil, nil, 0} // which is the signature's, too
	default:
		bits, _ := strconv.Atoi(strings.TrimPrefix(kind, "RSA-")) // policy has read it
		return keyKind{oidRSAEncryption, nil, oidRSASHA256, bits}
	}
}

// addTo adds the key, and the signature by it.
func (k keyKind) addTo(b *cryptobyte.Builder) {
	switch {
	case k.curve != nil:
		addAttribute(b, k.algorithm, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(k.curve) })
	case k.bits > 0:
		addAttribute(b, k.algorithm, func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(k.bits)) })
	default:
		b.AddASN1ObjectIdentifier(k.algorithm)
	}
	if k.signature != nil {
		b.AddASN1ObjectIdentifier(k.signature)
	}
}

func addAttribute(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(der.SET, value)
	})
}
