package ca

import (
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// A leafTemplate holds, in DER, what all certificates of one issuer share.
type leafTemplate struct {
	algorithm  []byte // AlgorithmIdentifier of the signature
	issuer     []byte // Name
	authority  []byte // Extension: authority key identifier, then authority information access
	revocation []byte // Extension: CRL distribution points, then freshest CRL if that is wanted
}

// validity is when a certificate is valid, both ends included.
type validity struct {
	notBefore, notAfter time.Time
}

func newLeafTemplate(issuer *x509.Certificate, s *signer, baseURL string, freshest bool) (leafTemplate, error) {
	var authority, revocation cryptobyte.Builder
	addExtension(&authority, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addBytes(b, der.Tag(0).ContextSpecific(), issuer.SubjectKeyId)
		})
	})
	addExtension(&authority, oidAuthorityInfo, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addAccess(b, oidOCSP, baseURL+"/ocsp")
			addAccess(b, oidCAIssuers, baseURL+"/ca/"+issuerID(issuer)+".cer")
		})
	})
	addListURL(&revocation, oidCRLDistribution, listURL(baseURL, issuer, "full.crl"))
	if freshest {
		addListURL(&revocation, oidFreshestCRL, listURL(baseURL, issuer, "delta.crl"))
	}
	t := leafTemplate{algorithm: s.algorithm.der, issuer: issuer.RawSubject}
	var err error
	if t.authority, err = authority.Bytes(); err != nil {
		return leafTemplate{}, err
	}
	if t.revocation, err = revocation.Bytes(); err != nil {
		return leafTemplate{}, err
	}
	return t, nil
}

// validity returns when a certificate made now is valid.
func (a *Authority) validity(now time.Time, lifetime time.Duration) (validity, error) {
	first, last := a.certificate.NotBefore, a.certificate.NotAfter
	if now.Before(first) || now.After(last) {
		return validity{}, ErrExpired
	}
	v := validity{now.Add(-backdate), now.Add(lifetime)}
	if v.notBefore.Before(first) {
		v.notBefore = first
	}
	if v.notAfter.After(last) {
		v.notAfter = last
	}
	return v, nil
}

// tbs appends the TBSCertificate (RFC 5280, Section 4.1.2), byte for byte as
// crypto/x509 would write it; doing it here saves it from encoding by reflection
// what never changes, and from verifying its own signature.
// shard is the URL of the list that the certificate is on, if it is not the complete
// one.
func (t *leafTemplate) tbs(g Grant, serial *big.Int, v validity, shard string) func(*cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1Int64(2) // v3
		})
		b.AddASN1BigInt(serial)
		b.AddBytes(t.algorithm)
		b.AddBytes(t.issuer)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, v.notBefore)
			addTime(b, v.notAfter)
		})
		if g.tpm != nil {
			b.AddASN1(der.SEQUENCE, func(*cryptobyte.Builder) {}) // the subjectAltName says it all
		} else {
			addSubject(b, g.id)
		}
		b.AddBytes(g.key.der)
		b.AddASN1(der.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { t.addExtensions(b, g, shard) })
		})
	}
}

func (t *leafTemplate) addExtensions(b *cryptobyte.Builder, g Grant, shard string) {
	addExtension(b, oidKeyUsage, true, func(b *cryptobyte.Builder) {
		addBytes(b, der.BIT_STRING, keyUsage(g))
	})
	addExtension(b, oidExtKeyUsage, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if g.tpm != nil {
				b.AddASN1ObjectIdentifier(oidAIKCertificate)
			}
			for _, usage := range g.usages {
				b.AddASN1ObjectIdentifier(usage.oid())
			}
		})
	})
	addExtension(b, oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(*cryptobyte.Builder) {}) // CA: false by default
	})
	addExtension(b, oidSubjectKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(g.key.id())
	})
	b.AddBytes(t.authority)
	// Critical where there is no subject (RFC 5280, Section 4.2.1.6).
	addExtension(b, oidSAN, g.tpm != nil, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if g.tpm != nil {
				addTPMName(b, *g.tpm, g.id)
				return
			}
			for _, name := range g.dns {
				addBytes(b, tagDNS, []byte(name))
			}
			for _, addr := range g.ips {
				addBytes(b, tagIP, addr.AsSlice())
			}
			addBytes(b, tagURI, []byte(g.id.String()))
		})
	})
	if shard != "" { // no freshest CRL: our deltas are of the complete list (RFC 5280, Section 5.2.4)
		addListURL(b, oidCRLDistribution, shard)
		return
	}
	b.AddBytes(t.revocation)
}

// keyUsage returns the BIT STRING: digitalSignature, and for an RSA server
// keyEncipherment, which TLS 1.2 without forward secrecy asks for. A client has no
// use for it (RFC 5280, Section 4.2.1.12).
func keyUsage(g Grant) []byte {
	if g.key.bits > 0 && slices.Contains(g.usages, UsageServer) {
		return []byte{5, 0xa0} // five unused bits
	}
	return []byte{7, 0x80}
}

// oid returns the identifier of the usage.
func (u Usage) oid() asn1.ObjectIdentifier {
	if u == UsageServer {
		return oidServerAuth
	}
	return oidClientAuth
}

// addSubject adds O = trust domain, OU = role, CN = name.
func addSubject(b *cryptobyte.Builder, id ID) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAttribute(b, oidOrganization, id.trustDomain)
		addAttribute(b, oidOrganizationalUnit, id.role)
		addAttribute(b, oidCommonName, id.name)
	})
}
