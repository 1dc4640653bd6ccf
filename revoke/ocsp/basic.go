package ocsp

import (
	"crypto/x509"
	"time"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/revoke/x690"
)

// maxCertificates is how many certificates an answer may bring along. There is use
// for one; others send the chain.
const maxCertificates = 8

// A basic is a BasicOCSPResponse (RFC 6960, Section 4.2.1) that was read and not yet
// verified.
type basic struct {
	signed       []byte // what the signature covers
	algorithm    x509.SignatureAlgorithm
	signature    []byte
	certificates [][]byte

	byName     []byte // the responder's subject; nil if it is named by its key
	byKey      []byte // SHA-1 of the responder's key; nil if it is named by its subject
	responses  []SingleResponse
	nonce      []byte
	hasRevoked bool // extended-revoke
}

// parseBasic reads a whole OCSPResponse. Its error is a [*MalformedError], or a
// [*StatusError] if the response holds no answer.
func parseBasic(der []byte) (*basic, error) {
	r := x690.Document(der, "OCSPResponse")
	status := r.Read(x690.Enumerated, "responseStatus")
	if r.Err == nil && len(status) != 1 {
		r.Fail("responseStatus is not one octet")
	}
	if r.Err == nil && status[0] != 0 {
		r.End("OCSPResponse without an answer")
		if r.Err == nil {
			return nil, &StatusError{Status: ErrorStatus(status[0])}
		}
	}
	explicit := r.Nested(x690.Context0, "responseBytes")
	r.End("OCSPResponse")
	body := explicit.Nested(x690.Sequence, "responseBytes")
	explicit.End("responseBytes")
	if oid := body.OID("responseType"); body.Err == nil && string(oid) != oidBasic {
		body.Fail("responseType is not id-pkix-ocsp-basic")
	}
	octets := body.Nested(x690.OctetString, "response")
	body.End("responseBytes")
	b := readBasic(&octets)
	octets.End("response")
	for _, in := range []*x690.Reader{&explicit, &body, &octets} {
		r.Join(in)
	}
	if r.Err != nil {
		return nil, r.Err
	}
	return b, nil
}

func readBasic(r *x690.Reader) *basic {
	b := new(basic)
	in := r.Nested(x690.Sequence, "BasicOCSPResponse")
	signed, data := in.Element(x690.Sequence, "tbsResponseData")
	b.signed = signed
	b.algorithm = in.SignatureAlgorithm()
	b.signature = in.Octets("signature")
	if in.Next(x690.Context0) {
		explicit := in.Nested(x690.Context0, "certs")
		list := explicit.Nested(x690.Sequence, "certs")
		explicit.End("certs")
		for len(list.B) > 0 {
			certificate, _ := list.Element(x690.Sequence, "Certificate")
			b.certificates = append(b.certificates, certificate)
			if len(b.certificates) > maxCertificates {
				list.Fail("certs has too many certificates")
			}
		}
		in.Join(&explicit)
		in.Join(&list)
	}
	in.End("BasicOCSPResponse")
	tbs := x690.Reader{B: data, Err: in.Err}
	readResponseData(&tbs, b)
	r.Join(&tbs)
	return b
}

func readResponseData(r *x690.Reader, b *basic) {
	// No version is read: v1 is the default, which DER leaves out, and there is no other.
	if r.Next(x690.Context1) {
		explicit := r.Nested(x690.Context1, "responderID")
		b.byName, _ = explicit.Element(x690.Sequence, "byName")
		explicit.End("responderID")
		r.Join(&explicit)
	} else {
		explicit := r.Nested(x690.Context2, "responderID")
		b.byKey = explicit.Read(x690.OctetString, "byKey")
		explicit.End("responderID")
		if explicit.Err == nil && len(b.byKey) != sha1name.Size {
			explicit.Fail("byKey does not have 20 octets")
		}
		r.Join(&explicit)
	}
	r.GeneralizedTime("producedAt")
	list := r.Nested(x690.Sequence, "responses")
	if list.Err == nil && len(list.B) == 0 {
		list.Fail("responses is empty")
	}
	for len(list.B) > 0 {
		b.responses = append(b.responses, readSingle(&list))
	}
	r.Join(&list)
	readExtensions(r, x690.Context1, "responseExtensions", func(value *x690.Reader, e x690.Extension) bool {
		switch string(e.OID) {
		case oidNonce:
			b.nonce = readNonce(value)
			return true
		case oidExtendedRevoke:
			b.hasRevoked = true
			readEmpty(value, x690.Null, "extended-revoke")
			return true
		}
		return false
	})
	r.End("tbsResponseData")
	for i := range b.responses {
		if s := &b.responses[i]; b.hasRevoked && s.Status == Revoked && s.Reason == certificateHold && s.RevokedAt.Unix() == 0 {
			s.Status, s.RevokedAt, s.Reason = NeverIssued, time.Time{}, 0
		}
	}
}

func readSingle(r *x690.Reader) SingleResponse {
	in := r.Nested(x690.Sequence, "SingleResponse")
	s := SingleResponse{ID: readCertID(&in)}
	switch {
	case in.Next(x690.Primitive0):
		s.Status = Good
		readEmpty(&in, x690.Primitive0, "good")
	case in.Next(x690.Primitive2):
		s.Status = Unknown
		readEmpty(&in, x690.Primitive2, "unknown")
	default:
		s.Status = Revoked
		info := in.Nested(x690.Context1, "certStatus")
		s.RevokedAt = info.GeneralizedTime("revocationTime")
		if info.Next(x690.Context0) {
			s.Reason = readReason(&info)
		}
		info.End("certStatus")
		in.Join(&info)
	}
	s.ThisUpdate = in.GeneralizedTime("thisUpdate")
	if in.Next(x690.Context0) {
		next := in.Nested(x690.Context0, "nextUpdate")
		s.NextUpdate = next.GeneralizedTime("nextUpdate")
		next.End("nextUpdate")
		in.Join(&next)
	}
	readExtensions(&in, x690.Context1, "singleExtensions", none)
	in.End("SingleResponse")
	r.Join(&in)
	return s
}

func readReason(r *x690.Reader) int {
	in := r.Nested(x690.Context0, "revocationReason")
	reason := in.Read(x690.Enumerated, "revocationReason")
	in.End("revocationReason")
	if in.Err == nil && (len(reason) != 1 || !validReason(int(reason[0]))) {
		in.Fail("revocationReason is unknown")
	}
	r.Join(&in)
	if r.Err != nil {
		return 0
	}
	return int(reason[0])
}

// readEmpty reads an element that must have no contents.
func readEmpty(r *x690.Reader, tag byte, field string) {
	if len(r.Read(tag, field)) > 0 {
		r.Fail(field + " has contents")
	}
}
