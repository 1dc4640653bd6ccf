package enroll

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// selfActor is the actor of what the daemon does of its own accord.
const selfActor = "self"

// Self issues the daemon's own certificate, for TLS as server and client, to the
// identity ca/<name>, which it makes if need be. dnsNames and ips are where
// machines reach the daemon; they are reserved to the role ca, all replicas of which
// may have the same. The key is new each time and never leaves memory.
//
// The certificate comes about like every other one, is on record and in the audit
// log, and lives as long as the role ca says; whoever serves with it calls Self
// again in time (see [RenewAfter]).
func (r *Registrar) Self(ctx context.Context, name string, dnsNames []string, ips []netip.Addr) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return tls.Certificate{}, err
	}
	a, err := r.self(ctx, name, dnsNames, ips)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := r.Issue(ctx, a, req)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing the daemon's own certificate: %w", err)
	}
	all := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for _, issuer := range r.issuers.Chain(cert) {
		all.Certificate = append(all.Certificate, issuer.Raw)
	}
	return all, nil
}

// SelfFor issues a certificate for a key that the daemon keeps, to the identity
// ca/<name>, which it makes if need be: the registration authority of SCEP, whose
// clients encrypt to it. The same key may be certified again. It is like Self
// otherwise.
func (r *Registrar) SelfFor(ctx context.Context, name string, key crypto.Signer) (*x509.Certificate, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, err
	}
	req, err := ca.ParseRequest(csr)
	if err != nil {
		return nil, err
	}
	a, err := r.self(ctx, name, nil, nil)
	if err != nil {
		return nil, err
	}
	a.Proof.(*selfProof).keeps = true
	return r.Issue(ctx, a, req)
}

// self is the daemon as an applicant. Its names are what its configuration says
// now; the record of each certificate says what they were.
func (r *Registrar) self(ctx context.Context, name string, dnsNames []string, ips []netip.Addr) (Applicant, error) {
	id, err := ca.NewID(r.issuers.TrustDomain(), ca.RoleCA, name)
	if err != nil {
		return Applicant{}, err
	}
	a := Applicant{
		Identity: ca.Identity{ID: id, Revision: 1, Method: ca.MethodSelf, DNSNames: dnsNames, IPs: ips},
		Proof:    &selfProof{create: true},
	}
	record, err := r.store.Identity(ctx, id.Path())
	if errors.Is(err, store.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return Applicant{}, err
	}
	a.Identity.Revision, a.Proof = record.Revision, &selfProof{}
	return a, nil
}

// A selfProof is that it is the daemon itself that asks. There is nothing to use
// up.
type selfProof struct {
	create bool // the identity is not on record yet
	keeps  bool // it is for a key that was certified before
}

func (p *selfProof) String() string { return selfActor }

func (p *selfProof) Settle(tx *store.Tx, cert *store.Certificate) {
	if p.create {
		_, name, _ := strings.Cut(cert.Identity, "/")
		tx.CreateIdentity(store.Identity{Path: cert.Identity, Role: ca.RoleCA, Name: name, State: store.Active})
	}
	cert.Rekey = !p.keeps
	cert.AdoptsNames = true // a daemon that was alone held its names alone
	// The loopback is every machine's own: it is reserved to nobody.
	cert.DNSNames = slices.DeleteFunc(slices.Clone(cert.DNSNames), func(name string) bool { return name == "localhost" })
	cert.IPs = slices.DeleteFunc(slices.Clone(cert.IPs), func(text string) bool {
		ip, err := netip.ParseAddr(text)
		return err == nil && ip.IsLoopback()
	})
}

// Unmet has another try if another replica has just made the identity: then it is
// at its first revision, as was decided.
func (p *selfProof) Unmet(_ context.Context, _ [32]byte, err error) (*x509.Certificate, error) {
	if errors.Is(err, store.ErrExists) && p.create {
		p.create = false
		return nil, ErrAgain
	}
	return nil, err
}
