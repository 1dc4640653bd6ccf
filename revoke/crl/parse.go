package crl

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math"
	"slices"

	"github.com/betonica/betonica/revoke/x690"
)

// parse reads the contents of a tbsCertList (RFC 5280, Section 5.1.2) that the issuer
// has signed with this algorithm.
func parse(body []byte, algorithm x509.SignatureAlgorithm, issuer *x509.Certificate) (*List, error) {
	var records []record
	l, err := parseAround(body, algorithm, issuer, func(list *x690.Reader) { records = readRecords(list) })
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
func parseAround(body []byte, algorithm x509.SignatureAlgorithm, issuer *x509.Certificate, entries func(*x690.Reader)) (*List, error) {
	l := &List{issuer: issuer}
	r := x690.Reader{B: body}
	if version := r.Read(x690.Integer, "version"); !bytes.Equal(version, []byte{1}) {
		r.Fail("version is not v2")
	}
	if inner := r.SignatureAlgorithm(); inner != algorithm {
		r.Fail("the two signature algorithms differ")
	}
	name, _ := r.Element(x690.Sequence, "issuer")
	l.thisUpdate = r.Time("thisUpdate")
	l.nextUpdate = r.Time("nextUpdate")
	if r.Next(x690.Sequence) {
		list := r.Nested(x690.Sequence, "revokedCertificates")
		if list.Err == nil && len(list.B) == 0 {
			list.Fail("revokedCertificates is empty, and should be absent")
		}
		entries(&list)
		r.Join(&list)
	}
	keyID := readListExtensions(&r, l)
	r.End("tbsCertList")
	switch {
	case r.Err != nil:
		return nil, r.Err
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

// readListExtensions reads crlExtensions into l, and returns the authority's key
// identifier. The number is -1 where there is none.
func readListExtensions(r *x690.Reader, l *List) (keyID []byte) {
	explicit := r.Nested(x690.Context0, "crlExtensions")
	list := explicit.Nested(x690.Sequence, "crlExtensions")
	explicit.End("crlExtensions")
	l.number = -1
	list.Extensions("crlExtensions", ErrUnsupported, func(value *x690.Reader, e x690.Extension) bool {
		switch string(e.OID) {
		case oidAuthorityKeyID:
			id := value.Nested(x690.Sequence, "authorityKeyIdentifier")
			if id.Next(x690.Primitive0) { // what may follow names the issuer in another way
				keyID = id.Read(x690.Primitive0, "keyIdentifier")
			}
			value.Join(&id)
		case oidNumber:
			l.number = readNumber(value, "cRLNumber")
		case oidDelta:
			l.delta = true
			l.base = readNumber(value, "deltaCRLIndicator")
			mustBeCritical(value, e, "deltaCRLIndicator")
		case oidScope:
			l.scope = readScope(value)
			mustBeCritical(value, e, "issuingDistributionPoint")
		case oidFreshest:
			l.freshest = append([]string{}, readFreshest(value)...) // not nil: it is there
			if e.Critical {
				value.Fail("freshestCRL is critical")
			}
		default:
			return false
		}
		return true
	})
	explicit.Join(&list)
	r.Join(&explicit)
	return keyID
}

func mustBeCritical(r *x690.Reader, e x690.Extension, name string) {
	if !e.Critical {
		r.Fail(name + " is not critical")
	}
}

// readRecords reads the contents of revokedCertificates. It counts them first, so that
// they take no more memory than they need.
func readRecords(r *x690.Reader) []record {
	count := 0
	for rest := *r; len(rest.B) > 0; count++ {
		rest.Read(x690.Sequence, "revokedCertificates")
	}
	records := make([]record, 0, count)
	for len(r.B) > 0 {
		records = append(records, readRecord(r))
	}
	return records
}

func readRecord(r *x690.Reader) record {
	in := r.Nested(x690.Sequence, "an entry")
	out := record{serial: readSerial(&in)}
	at := in.Time("revocationDate").Unix()
	if in.Err == nil && (at < 0 || at > math.MaxUint32) {
		in.Fail("revocationDate is not between 1970 and 2105")
	}
	out.at = uint32(at)
	switch n := len(reasonExtension); {
	case len(in.B) == 0:
	case len(in.B) == n+1 && string(in.B[:n]) == reasonExtension: // what nearly all look like
		out.reason = knownReason(&in, Reason(in.B[n]))
	default:
		list := in.Nested(x690.Sequence, "crlEntryExtensions")
		in.End("an entry")
		list.Extensions("crlEntryExtensions", ErrUnsupported, func(value *x690.Reader, e x690.Extension) bool {
			if string(e.OID) != oidReason {
				return false
			}
			if reason := value.Read(x690.Enumerated, "reasonCode"); len(reason) == 1 {
				out.reason = knownReason(value, Reason(reason[0]))
			} else {
				value.Fail("reasonCode is not one octet")
			}
			return true
		})
		in.Join(&list)
	}
	r.Join(&in)
	return out
}

func knownReason(r *x690.Reader, reason Reason) Reason {
	if !reason.valid() {
		r.Fail("reasonCode is unknown")
	}
	return reason
}
