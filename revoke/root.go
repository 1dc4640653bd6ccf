package revoke

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
)

// RootLifetime is how long the root's list is good, and the responder that
// answers in its name: until the root's key is fetched again.
const RootLifetime = 365 * 24 * time.Hour

// A RootStatement is what the root says of the intermediates for a year: its list,
// and a responder that may answer in its name, with its key.
type RootStatement struct {
	CRL       []byte // DER
	Responder *x509.Certificate
	Key       crypto.Signer
}

// SignRoot has the root sign a statement. last is its list so far, nil the first
// time: the new number is the next, and what it revoked stays revoked, for the
// first reason. revoke are intermediates that it revokes now.
func SignRoot(root *ca.Root, last []byte, now time.Time, revoke ...crl.Entry) (*RootStatement, error) {
	number, revoked := int64(1), crl.Set{}
	if last != nil {
		list, err := crl.Open(last, root.Certificate())
		if err != nil {
			return nil, fmt.Errorf("the root's last CRL: %w", err)
		}
		if list.IsDelta() {
			return nil, errors.New("the root's last CRL is a delta")
		}
		number, revoked = list.Number()+1, list.Entries()
	}
	var err error
	if revoked, err = add(revoked, revoke); err != nil {
		return nil, err
	}
	this := now.UTC().Truncate(time.Second)
	var der bytes.Buffer
	t := crl.Template{Number: number, ThisUpdate: this, NextUpdate: this.Add(RootLifetime)}
	if err := crl.Encode(&der, root.Certificate(), rootSigner{root}, t, revoked); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cert, err := root.IssueResponder(key.Public(), RootLifetime)
	if err != nil {
		return nil, err
	}
	if _, err := ocsp.NewResponder(cert, key); err != nil {
		return nil, err
	}
	return &RootStatement{CRL: der.Bytes(), Responder: cert, Key: key}, nil
}

// add returns the set with the entries that it does not have.
func add(set crl.Set, entries []crl.Entry) (crl.Set, error) {
	return crl.Collect(set.Len()+len(entries), func(yield func(crl.Entry, error) bool) {
		for e := range set.All() {
			if !yield(e, nil) {
				return
			}
		}
		for _, e := range entries {
			if _, known := set.Lookup(e.Serial); !known && !yield(e, nil) {
				return
			}
		}
	})
}

// rootSigner makes CRL signatures as a crypto.Signer.
type rootSigner struct{ *ca.Root }

func (r rootSigner) Public() crypto.PublicKey { return r.Certificate().PublicKey }

func (r rootSigner) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.SignCRL(digest, opts)
}
