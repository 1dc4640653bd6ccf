package ocsp

import (
	"errors"
	"fmt"

	"github.com/betonica/betonica/revoke/x690"
)

// What [Issuer.Verify] finds wrong with an answer; each comes wrapped in the detail.
// Together with [*MalformedError] and [*StatusError] these are all that it returns,
// and after any of them nothing is known about the certificate.
var (
	// ErrResponder: whoever signed is neither the issuer nor one to whom the issuer
	// itself gave a certificate for signing such answers.
	ErrResponder = errors.New("the responder is not authorized by the issuer")

	// ErrResponderExpired: the responder's certificate is not valid at this time.
	ErrResponderExpired = errors.New("the responder's certificate is out of its time")

	// ErrSignature: the signature is not that of the responder that is named.
	ErrSignature = errors.New("the signature does not verify")

	// ErrNonce: a nonce was sent, and another one or none came back: a replay.
	ErrNonce = errors.New("the nonce is not the one that was sent")

	// ErrOtherCertificate: the answer is about other certificates only, or about the
	// same serial number of another issuer.
	ErrOtherCertificate = errors.New("the answer is not for the certificate that was asked about")

	// ErrNotCurrent: the answer is no longer in time, or not yet.
	ErrNotCurrent = errors.New("the answer is not current")
)

// A MalformedError reports bytes that are not a request or an answer in DER. A
// responder's reply to it is [Malformed].
type MalformedError = x690.MalformedError

// A StatusError reports that a responder declined to answer. Such a reply is not
// signed: anyone on the way can have made it.
type StatusError struct {
	Status ErrorStatus
}

func (e *StatusError) Error() string { return "the OCSP responder said " + e.Status.String() }

// An ErrorStatus is the reason of a reply without an answer (RFC 6960, Section
// 4.2.1).
type ErrorStatus byte

const (
	Malformed     ErrorStatus = 1 // the request is not well-formed
	InternalError ErrorStatus = 2 // the responder's state is inconsistent
	TryLater      ErrorStatus = 3 // it cannot answer at the moment
	SigRequired   ErrorStatus = 5 // it wants the request signed
	Unauthorized  ErrorStatus = 6 // it has no authoritative record (RFC 9919, Section 3.2.3)
)

// Response returns the whole reply in DER: five bytes, not signed.
func (s ErrorStatus) Response() []byte {
	return []byte{x690.Sequence, 3, x690.Enumerated, 1, byte(s)}
}

func (s ErrorStatus) String() string {
	switch s {
	case Malformed:
		return "malformedRequest"
	case InternalError:
		return "internalError"
	case TryLater:
		return "tryLater"
	case SigRequired:
		return "sigRequired"
	case Unauthorized:
		return "unauthorized"
	}
	return fmt.Sprintf("error %d", byte(s))
}
