package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/store"
)

// Certificate is the daemon's own, with its key, in memory only: a daemon that
// starts anew gets a new one, as whoever steals its disk gets none. It may be
// used concurrently.
type Certificate struct {
	// Issue gets a new one from the funnel. Required.
	Issue func(context.Context) (tls.Certificate, error)
	// Now is the clock. Required.
	Now func() time.Time
	Log *slog.Logger

	current atomic.Pointer[tls.Certificate]
}

// renewEvery is how often Run looks whether the certificate is due, and so how
// soon it tries again what failed. It looks at the clock instead of setting a
// timer, since timers stand still while a machine sleeps.
const renewEvery = time.Minute

// Current returns the certificate, or an error before the first one. It is a
// certificate that has expired if nothing could be issued for half its life:
// clients then refuse it, as they should.
func (c *Certificate) Current() (*tls.Certificate, error) {
	if cert := c.current.Load(); cert != nil {
		return cert, nil
	}
	return nil, errStarting
}

// Renew replaces the certificate. Connections that are open go on with the one
// that they began with.
func (c *Certificate) Renew(ctx context.Context) error {
	cert, err := c.Issue(ctx)
	if err != nil {
		return err
	}
	c.current.Store(&cert)
	return nil
}

// Run renews the certificate at half its life until ctx ends, and then returns
// nil.
func (c *Certificate) Run(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !c.due() {
			continue
		}
		if err := c.Renew(ctx); err != nil && ctx.Err() == nil {
			c.Log.Error("renewing the daemon's own certificate", "error", err)
		}
	}
}

func (c *Certificate) due() bool {
	cert := c.current.Load()
	if cert == nil {
		return true
	}
	life := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore)
	return !c.Now().Before(cert.Leaf.NotBefore.Add(life / 2))
}

// Valid says why clients would refuse the certificate, or nil.
func (c *Certificate) Valid() error {
	cert, err := c.Current()
	if err != nil {
		return store.InTrouble(store.TroubleCertificate, err)
	}
	if end := cert.Leaf.NotAfter; c.Now().After(end) {
		return store.InTrouble(store.TroubleCertificate, fmt.Errorf("the daemon's own certificate expired at %s", end.UTC().Format(time.RFC3339)))
	}
	return nil
}
