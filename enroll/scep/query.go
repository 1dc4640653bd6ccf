package scep

import (
	"crypto/subtle"
	"crypto/x509"
	"math/big"
	"net/http"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/betonica/betonica/enroll/api"
)

// maxList bounds the lists that are sent, in bytes of DER: each is encrypted for the one
// who asks, and signed, in memory. A longer one is fetched over HTTP.
const maxList = 1 << 20

// query answers GetCert and GetCRL (RFC 8894, Sections 4.5 and 4.6), which name a
// certificate in what is sealed. A client may name its own alone: GetCert sends the newest
// for the key that signed, GetCRL the list of whoever issued the certificate that it signed
// with, if that is good. So there is nothing to search through.
//
// What is sealed is compared with that one name, byte for byte, and whatever it is instead
// has one answer, also where it cannot be decrypted: were a reader of it to say what it
// makes of somebody else's message, that message could be read by asking often enough.
func (h *Handler) query(r *http.Request, m *message, content []byte) answer {
	var cert *x509.Certificate
	var err error
	if m.kind == typeGetCert {
		cert, err = h.Registrar.Certified(r.Context(), m.key())
	} else if _, err = h.Registrar.Holder(r.Context(), m.signer, api.Source(r)); err == nil {
		cert = m.signer
	}
	if err != nil {
		return failed(err)
	}
	if cert == nil || subtle.ConstantTimeCompare(issuerAndSerial(cert.RawIssuer, cert.SerialNumber), content) == 0 {
		return answer{fail: badCertID}
	}
	chain := h.Issuers.Chain(cert)
	if m.kind == typeGetCert {
		return answer{certificates: append([]*x509.Certificate{cert}, chain...)}
	}
	if len(chain) == 0 {
		return answer{fail: badCertID}
	}
	switch list := h.CRL(chain[0]); {
	case list == nil:
		return answer{fail: badCertID}
	case len(list) > maxList:
		return answer{fail: badRequest}
	default:
		return answer{list: list}
	}
}

// issuerAndSerial returns an IssuerAndSerialNumber (RFC 5652, Section 10.2.4) in DER.
func issuerAndSerial(issuer []byte, serial *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(issuer)
		b.AddASN1BigInt(serial)
	})
	return b.BytesOrPanic()
}
