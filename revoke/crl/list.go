package crl

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/betonica/betonica/revoke/x690"
)

// A List is a CRL whose signature was verified. It comes from [Open] only.
type List struct {
	issuer                 *x509.Certificate
	number, base           int64
	delta                  bool
	thisUpdate, nextUpdate time.Time
	scope                  *Scope
	freshest               []string
	entries                Set
}

// Open reads a list in DER and verifies that issuer signed it, before it looks at what
// the list says. A relying party must trust the issuer's certificate already: nothing
// here looks at its chain or its dates.
//
// The certificate must be a CA's with the key usage cRLSign. The list must be of
// version 2, with the issuer's name and key identifier, a number, a thisUpdate and a
// nextUpdate. Errors are a [*MalformedError], or wrap [ErrIssuer], [ErrSignature] or
// [ErrUnsupported]. That the list is new enough is for [State.Accept] to say, and
// [List.NextUpdate] may be over.
//
// Its cost grows with der, so a caller bounds that. The List does not share der.
func Open(der []byte, issuer *x509.Certificate) (*List, error) {
	if !issuer.IsCA || issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return nil, fmt.Errorf("%w: its certificate is not one for signing CRLs", ErrIssuer)
	}
	body, algorithm, err := openSigned(der, issuer)
	if err != nil {
		return nil, err
	}
	return parse(body, algorithm, issuer)
}

// OpenHead is [Open] for who wants to know which list it is and no more: it verifies as
// much, but the List has no entries, and takes no memory for them.
func OpenHead(der []byte, issuer *x509.Certificate) (*List, error) {
	body, algorithm, err := openSigned(der, issuer)
	if err != nil {
		return nil, err
	}
	return parseAround(body, algorithm, issuer, func(list *x690.Reader) {
		for len(list.B) > 0 {
			readRecord(list)
		}
	})
}

// openSigned returns the contents of the tbsCertList in der, whose signature verifies, and
// the algorithm of that.
func openSigned(der []byte, issuer *x509.Certificate) ([]byte, x509.SignatureAlgorithm, error) {
	r := x690.Document(der, "CertificateList")
	signed, body := r.Element(x690.Sequence, "tbsCertList")
	algorithm := r.SignatureAlgorithm()
	signature := r.Octets("signature")
	r.End("CertificateList")
	if r.Err != nil {
		return nil, 0, r.Err
	}
	if err := issuer.CheckSignature(algorithm, signed, signature); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return body, algorithm, nil
}

// Number returns the list's own number.
func (l *List) Number() int64 { return l.number }

// IsDelta reports whether the list has only what changed since the full list of number
// [List.Base].
func (l *List) IsDelta() bool { return l.delta }

// Base returns the number of the full list that a delta builds on, and 0 for a full
// list.
func (l *List) Base() int64 { return l.base }

// ThisUpdate returns when the list was made.
func (l *List) ThisUpdate() time.Time { return l.thisUpdate }

// NextUpdate returns by when there will be a newer list.
func (l *List) NextUpdate() time.Time { return l.nextUpdate }

// Scope returns which certificates the list is about, nil if it is about all of the
// issuer's.
func (l *List) Scope() *Scope { return l.scope }

// Freshest returns the URLs at which a full list says that deltas to it are. They are the
// issuer's word, as all of the list is.
func (l *List) Freshest() []string { return l.freshest }

// Entries returns what the list revokes, and, if it is a delta, what it removes.
func (l *List) Entries() Set { return l.entries }
