package ocsp

import (
	"crypto"
	"fmt"

	"github.com/betonica/betonica/revoke/x690"
)

// MaxRequest is the longest request, in bytes, that a responder should read before
// it gives up: room for 64 CertIDs with hashes of up to 48 octets.
const MaxRequest = 10 << 10

// The media types of RFC 6960, Appendix A.
const (
	RequestType  = "application/ocsp-request"
	ResponseType = "application/ocsp-response"
)

// A Request asks for the status of one or more certificates.
type Request struct {
	IDs   []CertID // at least one, in the order asked
	Nonce []byte   // 1 to 128 octets; nil if none was sent
}

// ParseRequest reads a request for at most most certificates. Any error is a
// [*MalformedError]; a request beyond [MaxRequest] or for more certificates is one
// too. The name and the signature that a request may carry are passed over (RFC 9919,
// Section 3.1.2): they are not verified, and nothing must rest on them.
//
// The Request shares der, which must not be changed while it is in use.
func ParseRequest(der []byte, most int) (*Request, error) {
	if len(der) > MaxRequest {
		return nil, &MalformedError{Reason: fmt.Sprintf("request is longer than %d bytes", MaxRequest)}
	}
	r := x690.Document(der, "OCSPRequest")
	req := readTbsRequest(&r, most)
	if r.Next(x690.Context0) {
		r.Skip(x690.Context0, "optionalSignature")
	}
	r.End("OCSPRequest")
	if r.Err != nil {
		return nil, r.Err
	}
	return req, nil
}

func readTbsRequest(r *x690.Reader, most int) *Request {
	req := new(Request)
	tbs := r.Nested(x690.Sequence, "tbsRequest")
	// No version is read: v1 is the default, which DER leaves out, and there is no other.
	if tbs.Next(x690.Context1) {
		tbs.Skip(x690.Context1, "requestorName")
	}
	list := tbs.Nested(x690.Sequence, "requestList")
	if tbs.Err == nil && list.Err == nil && len(list.B) == 0 {
		list.Fail("requestList is empty")
	}
	for len(list.B) > 0 {
		if len(req.IDs) == most {
			list.Fail(fmt.Sprintf("requestList has more than %d requests", most))
			break
		}
		one := list.Nested(x690.Sequence, "Request")
		req.IDs = append(req.IDs, readCertID(&one))
		readExtensions(&one, x690.Context0, "singleRequestExtensions", none)
		one.End("Request")
		list.Join(&one)
	}
	tbs.Join(&list)
	readExtensions(&tbs, x690.Context2, "requestExtensions", func(value *x690.Reader, e x690.Extension) bool {
		switch string(e.OID) {
		case oidNonce:
			req.Nonce = readNonce(value)
			return true
		case oidResponses: // we have basic responses only, which all must accept
			value.Pass()
			return true
		}
		return false
	})
	tbs.End("tbsRequest")
	r.Join(&tbs)
	return req
}

// NewRequest asks about the certificate of this issuer with this serial number, high
// octet first, of 1 to 20 octets. The CertID is by SHA-256 (RFC 9919, Section 3.1.1).
// A nonce should be 32 random octets (RFC 9654, Section 2.1); nil sends none, and an
// answer may then be a copy made for someone else.
func (i *Issuer) NewRequest(serial, nonce []byte) (*Request, error) {
	id, err := i.CertID(crypto.SHA256, serial)
	if err != nil {
		return nil, err
	}
	if nonce != nil && (len(nonce) < 1 || len(nonce) > maxNonce) {
		return nil, fmt.Errorf("nonce of %d octets; it must have 1 to %d", len(nonce), maxNonce)
	}
	return &Request{IDs: []CertID{id}, Nonce: nonce}, nil
}

// Marshal returns the request in DER.
func (q *Request) Marshal() []byte {
	w := writer{b: make([]byte, 0, 256)}
	outer := w.open(x690.Sequence)
	tbs := w.open(x690.Sequence)
	list := w.open(x690.Sequence)
	for _, id := range q.IDs {
		one := w.open(x690.Sequence)
		w.raw(id.der)
		w.close(one)
	}
	w.close(list)
	if q.Nonce != nil {
		explicit := w.open(x690.Context2)
		extensions := w.open(x690.Sequence)
		w.nonce(q.Nonce)
		w.close(extensions)
		w.close(explicit)
	}
	w.close(tbs)
	w.close(outer)
	return w.b
}
