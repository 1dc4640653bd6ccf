package revoke

import (
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/store"
)

// An Anchor is the root as a daemon has it: not its key, but what it said in its
// last ceremony. It may be used concurrently, also while a newer statement is put in.
type Anchor struct {
	certificate *x509.Certificate
	issuer      *ocsp.Issuer
	newest      atomic.Pointer[rootStatement]
}

// rootStatement is one statement, checked. It never changes.
type rootStatement struct {
	list      *Document
	revoked   crl.Set
	responder *ocsp.Responder
	speaks    *x509.Certificate // the responder's
}

// NewAnchor checks the statement. One that has ended is taken all the same: only the
// root's key can make a new one, and Health says so.
func NewAnchor(root *x509.Certificate, s *RootStatement) (*Anchor, error) {
	issuer, err := ocsp.NewIssuer(root)
	if err != nil {
		return nil, err
	}
	a := &Anchor{certificate: root, issuer: issuer}
	return a, a.Replace(s)
}

// Replace takes a newer statement over; with an error the last one stays. It refuses
// a list with a lower number than the last one's: who falls back to an older
// statement would forget what was revoked since.
func (a *Anchor) Replace(s *RootStatement) error {
	list, err := crl.Open(s.CRL, a.certificate)
	if err == nil && (list.IsDelta() || list.Scope() != nil) {
		err = errors.New("it is not complete")
	}
	if err != nil {
		return fmt.Errorf("the root's CRL: %w", err)
	}
	responder, err := ocsp.NewResponder(s.Responder, s.Key)
	if err != nil {
		return fmt.Errorf("the root's OCSP responder: %w", err)
	}
	next := &rootStatement{
		list:    newDocument(s.CRL, list.Number(), 0, list.ThisUpdate(), list.NextUpdate()),
		revoked: list.Entries(), responder: responder, speaks: s.Responder,
	}
	if last := a.newest.Load(); last != nil && next.list.Number < last.list.Number {
		return fmt.Errorf("the root's CRL %d is older than %d, which was in force before", next.list.Number, last.list.Number)
	}
	a.newest.Store(next)
	return nil
}

// CRL returns the root's list.
func (a *Anchor) CRL() *Document { return a.newest.Load().list }

// Revoked returns when and why the root revoked an intermediate, and whether.
func (a *Anchor) Revoked(intermediate *x509.Certificate) (crl.Entry, bool) {
	serial, err := crl.SerialOf(intermediate.SerialNumber.Bytes())
	if err != nil {
		return crl.Entry{}, false
	}
	return a.newest.Load().revoked.Lookup(serial)
}

// Health returns why the root's list is of no use any more, or nil.
func (a *Anchor) Health(now time.Time) error {
	if end := a.CRL().NextUpdate; now.After(end) {
		return store.InTrouble(store.TroubleRootList, fmt.Errorf("the root's CRL ended at %s: sign a new one with betonicad root sign-crl", end.Format(time.RFC3339)))
	}
	return nil
}
