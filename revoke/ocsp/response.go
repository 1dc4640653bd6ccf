package ocsp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/revoke/x690"
)

// A Status is what a responder says of one certificate.
type Status int

// The zero Status is none of them, and is refused.
const (
	_       Status = iota
	Good           // issued, and not revoked
	Revoked        // revoked, at a time and for a reason

	// NeverIssued: no certificate with this serial number was issued. On the wire it
	// is a revocation with the reason certificateHold on the first day of 1970, in an
	// answer that carries the extended-revoke extension (RFC 6960, Sections 2.2 and
	// 4.4.8): relying parties that let "unknown" pass refuse this one too.
	NeverIssued

	Unknown // the responder does not know this issuer
)

func (s Status) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	case NeverIssued:
		return "never issued"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("status %d", int(s))
}

// certificateHold is the reason that a NeverIssued answer carries.
const certificateHold = 6

// A SingleResponse is the answer for one certificate. Times are whole seconds; what
// is finer is cut off.
type SingleResponse struct {
	ID     CertID
	Status Status

	// RevokedAt and Reason are read and written for Revoked only. Reason is a
	// CRLReason of RFC 5280, Section 5.3.1; 0, unspecified, is left out.
	RevokedAt time.Time
	Reason    int

	// ThisUpdate is when the status was known to be right, NextUpdate when newer
	// information will be there: until then the answer may be kept. Both are needed
	// (RFC 9919, Section 3.2.4).
	ThisUpdate, NextUpdate time.Time
}

// A Response is what [Responder.Sign] signs.
type Response struct {
	ProducedAt time.Time
	Responses  []SingleResponse // at least one
	Nonce      []byte           // the request's; nil: none
}

func (p *Response) check() error {
	if len(p.Responses) == 0 {
		return errors.New("a response has no answer in it")
	}
	if p.Nonce != nil && (len(p.Nonce) < 1 || len(p.Nonce) > maxNonce) {
		return fmt.Errorf("nonce of %d octets; it must have 1 to %d", len(p.Nonce), maxNonce)
	}
	for i := range p.Responses {
		if err := p.Responses[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *SingleResponse) check() error {
	switch {
	case s.ID.der == nil:
		return errors.New("an answer names no certificate")
	case s.Status < Good || s.Status > Unknown:
		return fmt.Errorf("an answer has %s", s.Status)
	case s.ThisUpdate.IsZero() || s.NextUpdate.Before(s.ThisUpdate):
		return errors.New("an answer's nextUpdate is before its thisUpdate, or one of them is missing")
	case s.Status == Revoked && s.RevokedAt.IsZero():
		return errors.New("an answer says revoked and not since when")
	case s.Status == Revoked && !validReason(s.Reason):
		return fmt.Errorf("an answer has reason %d, which RFC 5280 does not know", s.Reason)
	}
	return nil
}

func validReason(reason int) bool { return reason >= 0 && reason <= 10 && reason != 7 }

// response writes ResponseData.
func (w *writer) response(p *Response, keyID []byte) {
	data := w.open(x690.Sequence)
	byKey := w.open(x690.Context2) // RFC 9919, Section 3.2.2: byKey, never byName
	w.add(x690.OctetString, keyID...)
	w.close(byKey)
	w.time(p.ProducedAt)
	list := w.open(x690.Sequence)
	for i := range p.Responses {
		w.single(&p.Responses[i])
	}
	w.close(list)
	extended := slices.ContainsFunc(p.Responses, func(s SingleResponse) bool { return s.Status == NeverIssued })
	if p.Nonce != nil || extended {
		explicit := w.open(x690.Context1)
		extensions := w.open(x690.Sequence)
		if p.Nonce != nil {
			w.nonce(p.Nonce)
		}
		if extended {
			w.extension(oidExtendedRevoke, func() { w.add(x690.Null) })
		}
		w.close(extensions)
		w.close(explicit)
	}
	w.close(data)
}

func (w *writer) single(s *SingleResponse) {
	mark := w.open(x690.Sequence)
	w.raw(s.ID.der)
	switch s.Status {
	case Good:
		w.add(x690.Primitive0)
	case Unknown:
		w.add(x690.Primitive2)
	case NeverIssued:
		w.revoked(time.Unix(0, 0), certificateHold)
	case Revoked:
		w.revoked(s.RevokedAt, s.Reason)
	}
	w.time(s.ThisUpdate)
	next := w.open(x690.Context0)
	w.time(s.NextUpdate)
	w.close(next)
	w.close(mark)
}

func (w *writer) revoked(at time.Time, reason int) {
	mark := w.open(x690.Context1)
	w.time(at)
	if reason != 0 {
		explicit := w.open(x690.Context0)
		w.add(x690.Enumerated, byte(reason))
		w.close(explicit)
	}
	w.close(mark)
}
