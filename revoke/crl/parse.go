package crl

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math"
	"slices"
)

// parse reads the contents of a tbsCertList (RFC 5280, Section 5.1.2) that the issuer
// has signed with this algorithm.
func parse(body []byte, algorithm x509.SignatureAlgorithm, issuer *x509.Certificate) (*List, error) {
	var records []record
	l, err := parseAround(body, algorithm, issuer, func(list *reader) { records = list.records() })
	if err != nil {
		return nil, err
	}
	if !l.delta && slices.ContainsFunc(records, func(r record) bool { return r.reason == RemoveFromCRL }) {
		return nil, &MalformedError{Reason: "a full list removes an entry"}
	}
	if l.entries, err = newSet(records); err != nil {
		return nil, &MalformedError{Reason: err.Error()}
	}
	return l, nil
}

// parseAround is parse, but has entries read what revokedCertificates holds, if it is
// there. The List has no entries.
func parseAround(body []byte, algorithm x509.SignatureAlgorithm, issuer *x509.Certificate, entries func(*reader)) (*List, error) {
	l := &List{issuer: issuer}
	r := reader{b: body}
	if version := r.read(tagInteger, "version"); !bytes.Equal(version, []byte{1}) {
		r.fail("version is not v2")
	}
	if inner := r.signatureAlgorithm(); inner != algorithm {
		r.fail("the two signature algorithms differ")
	}
	name, _ := r.element(tagSequence, "issuer")
	l.thisUpdate = r.time("thisUpdate")
	l.nextUpdate = r.time("nextUpdate")
	if r.next(tagSequence) {
		list := r.nested(tagSequence, "revokedCertificates")
		if list.err == nil && len(list.b) == 0 {
			list.fail("revokedCertificates is empty, and should be absent")
		}
		entries(&list)
		r.join(&list)
	}
	keyID := r.listExtensions(l)
	r.end("tbsCertList")
	switch {
	case r.err != nil:
		return nil, r.err
	case !bytes.Equal(name, issuer.RawSubject):
		return nil, fmt.Errorf("%w: it names another", ErrIssuer)
	case len(keyID) == 0 || !bytes.Equal(keyID, issuer.SubjectKeyId):
		return nil, fmt.Errorf("%w: it names another key", ErrIssuer)
	case l.number < 0:
		return nil, &MalformedError{Reason: "cRLNumber is missing"}
	case l.delta && l.base >= l.number:
		return nil, &MalformedError{Reason: "the base's number is not below the delta's own"}
	case l.delta && l.freshest != nil:
		return nil, &MalformedError{Reason: "a delta has freshestCRL"}
	case l.nextUpdate.Before(l.thisUpdate):
		return nil, &MalformedError{Reason: "nextUpdate is before thisUpdate"}
	}
	return l, nil
}

// listExtensions reads crlExtensions into l, and returns the authority's key
// identifier. The number is -1 where there is none.
func (r *reader) listExtensions(l *List) (keyID []byte) {
	explicit := r.nested(context0, "crlExtensions")
	list := explicit.nested(tagSequence, "crlExtensions")
	explicit.end("crlExtensions")
	l.number = -1
	list.extensions("crlExtensions", func(value *reader, e extension) bool {
		switch string(e.oid) {
		case oidAuthorityKeyID:
			id := value.nested(tagSequence, "authorityKeyIdentifier")
			if id.next(primitive0) { // what may follow names the issuer in another way
				keyID = id.read(primitive0, "keyIdentifier")
			}
			value.join(&id)
		case oidNumber:
			l.number = value.number("cRLNumber")
		case oidDelta:
			l.delta = true
			l.base = value.number("deltaCRLIndicator")
			value.mustBeCritical(e, "deltaCRLIndicator")
		case oidScope:
			l.scope = value.scope()
			value.mustBeCritical(e, "issuingDistributionPoint")
		case oidFreshest:
			l.freshest = append([]string{}, value.freshest()...) // not nil: it is there
			if e.critical {
				value.fail("freshestCRL is critical")
			}
		default:
			return false
		}
		return true
	})
	explicit.join(&list)
	r.join(&explicit)
	return keyID
}

func (r *reader) mustBeCritical(e extension, name string) {
	if !e.critical {
		r.fail(name + " is not critical")
	}
}

// records reads the contents of revokedCertificates. It counts them first, so that
// they take no more memory than they need.
func (r *reader) records() []record {
	count := 0
	for rest := *r; len(rest.b) > 0; count++ {
		rest.read(tagSequence, "revokedCertificates")
	}
	records := make([]record, 0, count)
	for len(r.b) > 0 {
		records = append(records, r.record())
	}
	return records
}

func (r *reader) record() record {
	in := r.nested(tagSequence, "an entry")
	out := record{serial: in.serial()}
	at := in.time("revocationDate").Unix()
	if in.err == nil && (at < 0 || at > math.MaxUint32) {
		in.fail("revocationDate is not between 1970 and 2105")
	}
	out.at = uint32(at)
	switch n := len(reasonExtension); {
	case len(in.b) == 0:
	case len(in.b) == n+1 && string(in.b[:n]) == reasonExtension: // what nearly all look like
		out.reason = in.knownReason(Reason(in.b[n]))
	default:
		list := in.nested(tagSequence, "crlEntryExtensions")
		in.end("an entry")
		list.extensions("crlEntryExtensions", func(value *reader, e extension) bool {
			if string(e.oid) != oidReason {
				return false
			}
			if reason := value.read(tagEnumerated, "reasonCode"); len(reason) == 1 {
				out.reason = value.knownReason(Reason(reason[0]))
			} else {
				value.fail("reasonCode is not one octet")
			}
			return true
		})
		in.join(&list)
	}
	r.join(&in)
	return out
}

func (r *reader) knownReason(reason Reason) Reason {
	if !reason.valid() {
		r.fail("reasonCode is unknown")
	}
	return reason
}
