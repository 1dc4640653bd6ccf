package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/crl"
)

// A RefusedError reports why the other end of a connection was not let in.
type RefusedError struct {
	ID     string // its SPIFFE ID, as far as it is known
	Serial string // of its certificate, in hex
	Err    error
}

func (e *RefusedError) Error() string {
	if e.ID == "" {
		return fmt.Sprintf("peer refused: %v", e.Err)
	}
	return fmt.Sprintf("peer refused: %s, certificate %s: %v", e.ID, e.Serial, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// What a [RefusedError] may wrap.
var (
	ErrRevoked    = errors.New("its certificate is revoked")
	ErrNotAllowed = errors.New("no pattern of Allow names it")
	ErrUnknown    = errors.New("whether its certificate is revoked cannot be found out")
)

// verify judges the other end of a connection. It is the whole decision, and runs
// on resumed sessions too. An empty host is not compared with anything.
func (p *Peer) verify(ctx context.Context, cs tls.ConnectionState, usage x509.ExtKeyUsage, host string, met func([]*x509.Certificate)) error {
	if len(cs.PeerCertificates) == 0 {
		return p.refused(allow.ID{}, nil, errors.New("it showed no certificate"))
	}
	leaf := cs.PeerCertificates[0]
	id, err := allow.IDOf(leaf)
	if err != nil {
		return p.refused(id, leaf, err)
	}
	between := x509.NewCertPool()
	for _, cert := range cs.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: p.conf.Source.Roots(), Intermediates: between, CurrentTime: p.conf.Now(), DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return p.refused(id, leaf, err)
	}
	if !p.allow.Match(id) {
		return p.refused(id, leaf, ErrNotAllowed)
	}
	if met != nil {
		met(chains[0]) // before the list is looked at: a delta that comes now finds the connection
	}
	if err := p.judge(ctx, chains[0]); err != nil {
		return p.refused(id, leaf, err)
	}
	return nil
}

func (p *Peer) refused(id allow.ID, leaf *x509.Certificate, err error) error {
	e := &RefusedError{ID: id.String(), Err: err}
	if leaf != nil {
		e.Serial = serialText(leaf)
	}
	p.event(Event{Kind: Refused, Number: p.Number(), ID: e.ID, Serial: e.Serial, Err: err})
	return e
}

// judge returns nil if no certificate of a verified chain is revoked.
func (p *Peer) judge(ctx context.Context, chain []*x509.Certificate) error {
	for i, cert := range chain[:len(chain)-1] {
		if err := p.judgeOne(ctx, cert, chain[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (p *Peer) judgeOne(ctx context.Context, cert, issuer *x509.Certificate) error {
	serial, err := crl.SerialOf(cert.SerialNumber.Bytes())
	if err != nil {
		return err
	}
	for _, k := range []*keeper{p.issuing, p.root} {
		if !k.issuer.Equal(issuer) {
			continue
		}
		state := k.state.Load()
		if state != nil {
			if e, revoked := state.Lookup(serial); revoked {
				return fmt.Errorf("%w (%s)", ErrRevoked, e.Reason)
			}
		}
		if k.foreseen(serial) {
			return ErrRevoked
		}
		if k.fresh(p.conf.Now()) == nil {
			return nil
		}
	}
	return p.ask(ctx, cert, issuer)
}

// serialText writes a serial number as the CA does: 16 octets in hex.
func serialText(cert *x509.Certificate) string { return fmt.Sprintf("%032x", cert.SerialNumber) }
