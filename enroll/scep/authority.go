package scep

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"sync"
	"time"
)

// An Authority is the registration authority of a role: what clients encrypt to, and
// what signs the answers to them.
type Authority struct {
	Key *rsa.PrivateKey
	// Issue gets a certificate for Key from the funnel.
	Issue func(context.Context) (*x509.Certificate, error)

	mu      sync.Mutex
	current *x509.Certificate
}

// certificate returns the one in force; it is renewed at half its life. The key stays,
// so that who encrypts to the one before is understood.
func (a *Authority) certificate(ctx context.Context, now time.Time) (*x509.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.current; c != nil && now.Before(c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore)/2)) {
		return c, nil
	}
	cert, err := a.Issue(context.WithoutCancel(ctx))
	if err != nil {
		return nil, err
	}
	a.current = cert
	return cert, nil
}
