package ocsp

import (
	"crypto/sha1"
	"crypto/x509"
	"time"
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
	r := document(der, "OCSPResponse")
	status := r.read(tagEnumerated, "responseStatus")
	if r.err == nil && len(status) != 1 {
		r.fail("responseStatus is not one octet")
	}
	if r.err == nil && status[0] != 0 {
		r.end("OCSPResponse without an answer")
		if r.err == nil {
			return nil, &StatusError{Status: ErrorStatus(status[0])}
		}
	}
	explicit := r.nested(context0, "responseBytes")
	r.end("OCSPResponse")
	body := explicit.nested(tagSequence, "responseBytes")
	explicit.end("responseBytes")
	if oid := body.oid("responseType"); body.err == nil && string(oid) != oidBasic {
		body.fail("responseType is not id-pkix-ocsp-basic")
	}
	octets := body.nested(tagOctetString, "response")
	body.end("responseBytes")
	b := octets.basic()
	octets.end("response")
	for _, in := range []*reader{&explicit, &body, &octets} {
		r.join(in)
	}
	if r.err != nil {
		return nil, r.err
	}
	return b, nil
}

func (r *reader) basic() *basic {
	b := new(basic)
	in := r.nested(tagSequence, "BasicOCSPResponse")
	signed, data := in.element(tagSequence, "tbsResponseData")
	b.signed = signed
	b.algorithm = in.signatureAlgorithm()
	bits := in.read(tagBitString, "signature")
	if in.err == nil && (len(bits) < 2 || bits[0] != 0) {
		in.fail("signature is not a whole number of octets")
	}
	if in.err == nil {
		b.signature = bits[1:]
	}
	if in.next(context0) {
		explicit := in.nested(context0, "certs")
		list := explicit.nested(tagSequence, "certs")
		explicit.end("certs")
		for len(list.b) > 0 {
			certificate, _ := list.element(tagSequence, "Certificate")
			b.certificates = append(b.certificates, certificate)
			if len(b.certificates) > maxCertificates {
				list.fail("certs has too many certificates")
			}
		}
		in.join(&explicit)
		in.join(&list)
	}
	in.end("BasicOCSPResponse")
	tbs := reader{b: data, err: in.err}
	tbs.responseData(b)
	r.join(&tbs)
	return b
}

func (r *reader) responseData(b *basic) {
	// No version is read: v1 is the default, which DER leaves out, and there is no other.
	if r.next(context1) {
		explicit := r.nested(context1, "responderID")
		b.byName, _ = explicit.element(tagSequence, "byName")
		explicit.end("responderID")
		r.join(&explicit)
	} else {
		explicit := r.nested(context2, "responderID")
		b.byKey = explicit.read(tagOctetString, "byKey")
		explicit.end("responderID")
		if explicit.err == nil && len(b.byKey) != sha1.Size {
			explicit.fail("byKey does not have 20 octets")
		}
		r.join(&explicit)
	}
	r.time("producedAt")
	list := r.nested(tagSequence, "responses")
	if list.err == nil && len(list.b) == 0 {
		list.fail("responses is empty")
	}
	for len(list.b) > 0 {
		b.responses = append(b.responses, list.single())
	}
	r.join(&list)
	r.extensions(context1, "responseExtensions", func(in *reader, e extension) bool {
		switch string(e.oid) {
		case oidNonce:
			b.nonce = in.nonce(e.value)
			return true
		case oidExtendedRevoke:
			b.hasRevoked = true
			if string(e.value) != "\x05\x00" {
				in.fail("extended-revoke is not NULL")
			}
			return true
		}
		return false
	})
	r.end("tbsResponseData")
	for i := range b.responses {
		if s := &b.responses[i]; b.hasRevoked && s.Status == Revoked && s.Reason == certificateHold && s.RevokedAt.Unix() == 0 {
			s.Status, s.RevokedAt, s.Reason = NeverIssued, time.Time{}, 0
		}
	}
}

func (r *reader) single() SingleResponse {
	in := r.nested(tagSequence, "SingleResponse")
	s := SingleResponse{ID: in.certID()}
	switch {
	case in.next(primitive0):
		s.Status = Good
		in.empty(primitive0, "good")
	case in.next(primitive2):
		s.Status = Unknown
		in.empty(primitive2, "unknown")
	default:
		s.Status = Revoked
		info := in.nested(context1, "certStatus")
		s.RevokedAt = info.time("revocationTime")
		if info.next(context0) {
			s.Reason = info.reason()
		}
		info.end("certStatus")
		in.join(&info)
	}
	s.ThisUpdate = in.time("thisUpdate")
	if in.next(context0) {
		next := in.nested(context0, "nextUpdate")
		s.NextUpdate = next.time("nextUpdate")
		next.end("nextUpdate")
		in.join(&next)
	}
	in.extensions(context1, "singleExtensions", none)
	in.end("SingleResponse")
	r.join(&in)
	return s
}

func (r *reader) reason() int {
	in := r.nested(context0, "revocationReason")
	reason := in.read(tagEnumerated, "revocationReason")
	in.end("revocationReason")
	if in.err == nil && (len(reason) != 1 || !validReason(int(reason[0]))) {
		in.fail("revocationReason is unknown")
	}
	r.join(&in)
	if r.err != nil {
		return 0
	}
	return int(reason[0])
}

// empty reads an element that must have no contents.
func (r *reader) empty(tag byte, field string) {
	if len(r.read(tag, field)) > 0 {
		r.fail(field + " has contents")
	}
}
