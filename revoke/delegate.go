package revoke

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// self is who acts when the daemon does so of its own accord.
const self = "self"

// A delegate is a responder's key, which lives in memory only, and the
// certificate that its issuer gave it.
type delegate struct {
	*ocsp.Responder
	certificate *x509.Certificate
}

// newDelegate makes a key and has it certified, on record.
func newDelegate(ctx context.Context, db *store.DB, authority *ca.Authority) (*delegate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := authority.IssueResponder(key.Public(), func(cert *x509.Certificate) error {
		return db.Update(ctx, func(*store.Tx) audit.Event {
			return audit.Event{
				Action: "responder.issue", Actor: self, Subject: self, Outcome: "ok",
				Detail: map[string]any{"serial": store.SerialOf(cert).String(), "not_after": cert.NotAfter.UTC().Format(time.RFC3339)},
			}
		})
	})
	if err != nil {
		return nil, err
	}
	responder, err := ocsp.NewResponder(cert, key)
	if err != nil {
		return nil, err
	}
	return &delegate{responder, cert}, nil
}

// renewAt is at half the certificate's life: answers signed by the old key stay
// good, since each carries the certificate that it needs.
func (d *delegate) renewAt() time.Time {
	return d.certificate.NotBefore.Add(d.certificate.NotAfter.Sub(d.certificate.NotBefore) / 2)
}
