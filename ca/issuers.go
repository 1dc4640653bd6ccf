package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Issuers are the intermediates of one root: one of them issues, and the others
// answer for what they issued, or will issue next. They may be used concurrently,
// also while [Issuers.Set] replaces them: whoever needs the same answer twice asks
// once.
type Issuers struct{ state atomic.Pointer[issuers] }

// issuers is one state of Issuers. It never changes.
type issuers struct {
	all     []*Authority // the one that issues is the first
	resting []*x509.Certificate
}

// NewIssuers returns the issuers of which the first one issues.
func NewIssuers(current *Authority, others ...*Authority) (*Issuers, error) {
	s := &Issuers{}
	return s, s.Set(current, others, nil)
}

// Set replaces the issuers. resting are the intermediates that sign nothing any
// more, but are on record. They must all have one root and one trust domain, the
// same as before, and each its own key.
func (s *Issuers) Set(current *Authority, others []*Authority, resting []*x509.Certificate) error {
	all := append([]*Authority{current}, others...)
	anchor := current
	if old := s.state.Load(); old != nil {
		anchor = old.all[0]
	}
	for i, a := range all {
		if !a.root.Equal(anchor.root) || a.trustDomain != anchor.trustDomain {
			return fmt.Errorf("ca: %q has another root or trust domain than %q", a.certificate.Subject, anchor.certificate.Subject)
		}
		for _, b := range all[:i] {
			if a.IssuerID() == b.IssuerID() {
				return errors.New("ca: two issuers have one key")
			}
		}
	}
	s.state.Store(&issuers{all: all, resting: slices.Clone(resting)})
	return nil
}

// Current returns the authority that issues.
func (s *Issuers) Current() *Authority { return s.state.Load().all[0] }

// All returns every authority that signs something, the one that issues first.
func (s *Issuers) All() []*Authority { return slices.Clone(s.state.Load().all) }

// Certificates returns every intermediate on record, also those that rest.
func (s *Issuers) Certificates() []*x509.Certificate {
	state := s.state.Load()
	var certs []*x509.Certificate
	for _, a := range state.all {
		certs = append(certs, a.certificate)
	}
	return append(certs, state.resting...)
}

// Chain returns what the holder of a certificate of ours sends after it: every
// certificate between it and the root, which is not among them. It is nil if none
// of ours issued it.
func (s *Issuers) Chain(leaf *x509.Certificate) []*x509.Certificate {
	for _, cert := range s.Certificates() {
		if bytes.Equal(cert.SubjectKeyId, leaf.AuthorityKeyId) {
			return []*x509.Certificate{cert}
		}
	}
	return nil
}

// Root returns the trust anchor of all of them.
func (s *Issuers) Root() *x509.Certificate { return s.Current().root }

// RootID returns the root's subject key identifier in hex.
func (s *Issuers) RootID() string { return s.Current().RootID() }

// TrustDomain returns the only trust domain that they sign for.
func (s *Issuers) TrustDomain() string { return s.Current().trustDomain }
