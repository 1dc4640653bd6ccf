package evidence

import (
	"crypto/x509"
	"fmt"
	"iter"

	"github.com/betonica/betonica/revoke/crl"
)

// A Gap is what the lists of an issuer leave open: what was revoked with numbers above
// From, up to To.
type Gap struct {
	Issuer   *x509.Certificate
	From, To int64
}

func (g *Gap) Error() string {
	return fmt.Sprintf("the delta lists of %q say what was revoked after number %d, and nothing says what was between %d and that: give a full list of number %d or more, too",
		g.Issuer.Subject.CommonName, g.To, g.From, g.To)
}

// Gaps returns a [*Gap] if the lists of some issuer do not tell everything that was
// revoked after number known, up to the newest of them. A full list tells all up to its
// number, a delta what came after its base.
func (e *Evidence) Gaps(known int64) error {
	for _, issuer := range e.issuers {
		covered := known
		for _, list := range e.Of(issuer) {
			if list.IsDelta() && list.Base() > covered {
				return &Gap{Issuer: issuer, From: covered, To: list.Base()}
			}
			covered = max(covered, list.Number())
		}
	}
	return nil
}

// Revoked yields what the lists revoke, by issuer. What several lists name comes once
// for each. Nothing is ever given back here: what a delta removes is passed over.
func (e *Evidence) Revoked() iter.Seq2[*x509.Certificate, crl.Entry] {
	return func(yield func(*x509.Certificate, crl.Entry) bool) {
		for _, issuer := range e.issuers {
			for _, list := range e.Of(issuer) {
				for entry := range list.Entries().All() {
					if entry.Reason != crl.RemoveFromCRL && !yield(issuer, entry) {
						return
					}
				}
			}
		}
	}
}
