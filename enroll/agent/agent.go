package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// An Agent keeps one directory fresh until its context ends. Its methods may be
// called concurrently.
type Agent struct {
	keeper  *keeper
	current atomic.Pointer[holding]
	done    chan struct{}
	asked   chan chan error // renewals that are wanted now; each gets its outcome

	// Of the goroutine that run is.
	renewal, settling, watching backoff
	asking                      backoff   // for the time
	retry                       time.Time // when a certificate that is held back is tried; zero: there is none
	lost                        bool      // the directory cannot be read
}

// holding is what an Agent has in memory.
type holding struct {
	credential *Credential
	due        *Credential // what is renewed next: the same, or one that is held back
	roots      *x509.CertPool
}

// Start returns an Agent that holds a valid certificate, or an error: it enrols
// an empty directory with TokenFile, and tries to renew a certificate that has
// run out, once each. Until ctx ends the Agent then renews by itself, without
// ever enrolling again; call [Agent.Wait] before the program ends, so that it
// can finish what it is at.
func Start(ctx context.Context, conf Config) (*Agent, error) {
	k, err := newKeeper(conf)
	if err != nil {
		return nil, err
	}
	c, err := k.await(ctx)
	if err != nil {
		return nil, err
	}
	a := &Agent{keeper: k, done: make(chan struct{}), asked: make(chan chan error)}
	a.hold(c)
	go func() {
		defer close(a.done)
		a.run(ctx)
	}()
	return a, nil
}

// await opens, again and again if it is told to be patient and that may help.
func (k *keeper) await(ctx context.Context) (*Credential, error) {
	var b backoff
	for {
		c, err := k.open(ctx)
		if err == nil || !k.conf.Patient || ctx.Err() != nil {
			return c, err
		}
		denied, no := errors.AsType[*DeniedError](err)
		event := Event{Kind: Failed, Step: "enroll", Err: err}
		switch {
		case no:
			event.Kind, b.until = Refused, denied.Retry
		case k.stands() == Denied:
			event.Kind, b.until = Refused, k.denial().Retry
		case k.stands() == Grace:
			event.Kind = Expired
			b.fail(k.now(), err, 0)
		case mayHelp(err):
			b.fail(k.now(), err, 0)
		default:
			return nil, err
		}
		event.Retry = b.until
		k.move(ctx, missed, func(s *Status) { s.Retry = b.until.UTC().Truncate(time.Second) })
		k.report(ctx, event)
		select {
		case <-time.After(b.until.Sub(k.now())):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// open returns a credential that is good now.
func (k *keeper) open(ctx context.Context) (*Credential, error) {
	c, err := k.recover(ctx)
	if errors.Is(err, ErrNotEnrolled) && (k.conf.TokenFile != "" || k.conf.Prove != nil) {
		proof, err := k.proof()
		if err != nil {
			return nil, err
		}
		return k.enroll(ctx, proof)
	}
	if err != nil {
		return nil, err
	}
	k.clock.raise(c.Certificate.Leaf.NotBefore)
	if k.now().After(c.NotAfter()) {
		renewed, _, err := k.renew(ctx, true)
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s ran out at %s, and was not renewed: %w", c.ID(), stamp(c.NotAfter()), k.explain(c, err))
		}
		c = renewed
	}
	return c, nil
}

// proof is what an empty directory is enrolled with.
func (k *keeper) proof() (Proof, error) {
	if k.conf.Prove != nil {
		return k.conf.Prove()
	}
	token, err := readTokenFile(k.conf.TokenFile)
	return Proof{Token: &token}, err
}

func (k *keeper) recover(ctx context.Context) (*Credential, error) {
	unlock, err := k.dir.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return k.dir.recover()
}

func (a *Agent) hold(c *Credential) {
	roots := x509.NewCertPool()
	for _, r := range c.Roots {
		roots.AddCert(r)
	}
	a.current.Store(&holding{c, a.keeper.dir.newest(c), roots})
}

// Renew renews now, due or not: after a key may have been seen by others, or to
// see that it works. When it returns nil the Agent holds the new certificate;
// Exec and the word to the CA follow. An error leaves the old one in use, and
// the Agent to its own times. ctx bounds the waiting, not the renewal.
func (a *Agent) Renew(ctx context.Context) error {
	outcome := make(chan error, 1)
	select {
	case a.asked <- outcome:
	case <-a.done:
		return errors.New("the agent has stopped")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Wait waits until the Agent has stopped, which it does when its context ends.
func (a *Agent) Wait() { <-a.done }

// Credential returns what the Agent holds now.
func (a *Agent) Credential() *Credential { return a.current.Load().credential }

// Certificate returns the newest certificate with its key. Ask for it anew for
// each connection.
func (a *Agent) Certificate() *tls.Certificate { return &a.Credential().Certificate }

// Roots returns what to verify others by. The pool is not changed.
func (a *Agent) Roots() *x509.CertPool { return a.current.Load().roots }

// GetCertificate is for [tls.Config] of a server.
func (a *Agent) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.Certificate(), nil
}

// GetClientCertificate is for [tls.Config] of a client.
func (a *Agent) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return a.Certificate(), nil
}
