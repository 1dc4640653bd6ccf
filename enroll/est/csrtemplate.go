package est

import (
	"encoding/asn1"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/ca"
)

var (
	oidTemplate             = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 61}
	oidExtensionReqTemplate = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 62}

	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidExtKeyUsage    = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidServerAuth     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1}
	oidClientAuth     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
)

// addTemplate adds a CertificationRequestInfoTemplate (RFC 9908, Section 3.4): a request
// with the names of the certificate that it follows on, if it follows on one, and with a
// key of the kind that the role names first.
func (d demand) addTemplate(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0) // v1
		if d.holder != nil {
			b.AddBytes(d.holder.RawSubject) // nothing of it is left to the client
		}
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), d.key().addTemplate)
		b.AddASN1(der.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			all := d.extensions()
			oid := oidExtensionReq
			if slices.ContainsFunc(all, extension.open) {
				oid = oidExtensionReqTemplate
			}
			addAttribute(b, oid, func(b *cryptobyte.Builder) { addExtensions(b, all) })
		})
	})
}

// addTemplate adds the fields of a SubjectPublicKeyInfoTemplate. Of an RSA key there is
// a placeholder, which says by its length how long a key should be.
func (k keyKind) addTemplate(b *cryptobyte.Builder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(k.algorithm)
		switch {
		case k.curve != nil:
			b.AddASN1ObjectIdentifier(k.curve)
		case k.bits > 0:
			b.AddASN1NULL()
		}
	})
	if k.bits == 0 {
		return
	}
	modulus := new(big.Int).SetBit(big.NewInt(1), k.bits-1, 1)
	b.AddASN1(der.BIT_STRING, func(b *cryptobyte.Builder) {
		b.AddUint8(0)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(modulus)
			b.AddASN1Int64(65537)
		})
	})
}

// An extension is one that a request should have.
type extension struct {
	id    asn1.ObjectIdentifier
	value []byte // DER; nil: the client knows it
}

func (e extension) open() bool { return e.value == nil }

// extensions are those that a request should have. The usages are the role's whatever it
// says. Its alternative names are those that it follows on; a first request to serve
// under names that the role covers says which ones.
func (d demand) extensions() []extension {
	var usages cryptobyte.Builder
	usages.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, usage := range d.role.Usages {
			oid := oidClientAuth
			if usage == ca.UsageServer {
				oid = oidServerAuth
			}
			b.AddASN1ObjectIdentifier(oid)
		}
	})
	all := []extension{{oidExtKeyUsage, usages.BytesOrPanic()}}
	if d.holder == nil {
		if slices.Contains(d.role.Usages, ca.UsageServer) && len(d.role.DNS)+len(d.role.IPs) > 0 {
			all = append(all, extension{oidSubjectAltName, nil})
		}
		return all
	}
	for _, e := range d.holder.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			all = append(all, extension{oidSubjectAltName, e.Value})
		}
	}
	return all
}

// addExtensions adds Extensions, or an ExtensionReqTemplate if one is open: the encoding
// is the same.
func addExtensions(b *cryptobyte.Builder, all []extension) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range all {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(e.id)
				if !e.open() {
					b.AddASN1OctetString(e.value)
				}
			})
		}
	})
}
