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

// What a [RefusedError] may wrap, and [WhyCut] may return.
var (
	ErrRevoked    = errors.New("its certificate is revoked")
	ErrExpired    = errors.New("its certificate has expired")
	ErrNotAllowed = errors.New("no pattern of Allow names it")
	ErrUnknown    = errors.New("whether its certificate is revoked cannot be found out")
)

// A meet enters the other end of a connection, its verified chain and what it
// stapled, into the table.
type meet func(chain []*x509.Certificate, staple []byte)

// verify judges the other end of a connection. It is the whole decision, and runs
// on resumed sessions too. An empty host is not compared with anything, and beside
// Config.Allow also must name who is there, unless it is nil.
func (p *Peer) verify(ctx context.Context, cs tls.ConnectionState, usage x509.ExtKeyUsage, host string, also *allow.Peers, met meet) error {
	id, chain, err := p.identify(cs, usage, host)
	if err == nil && (!p.allow.Match(id) || also != nil && !also.Match(id)) {
		err = ErrNotAllowed
	}
	if err == nil {
		if met != nil {
			met(chain, cs.OCSPResponse) // before the list is looked at: a delta that comes now finds the connection
		}
		err = p.judge(ctx, chain, cs.OCSPResponse)
	}
	if err == nil {
		return nil
	}
	e := &RefusedError{ID: id.String(), Err: err}
	if len(cs.PeerCertificates) > 0 {
		e.Serial = serialText(cs.PeerCertificates[0])
	}
	p.event(Event{Kind: Refused, Number: p.Number(), ID: e.ID, Serial: e.Serial, Err: err})
	return e
}

// identify returns who the other end says that it is, and the chain that proves it.
func (p *Peer) identify(cs tls.ConnectionState, usage x509.ExtKeyUsage, host string) (allow.ID, []*x509.Certificate, error) {
	if len(cs.PeerCertificates) == 0 {
		return allow.ID{}, nil, errors.New("it showed no certificate")
	}
	leaf := cs.PeerCertificates[0]
	id, err := allow.IDOf(leaf)
	if err != nil {
		return id, nil, err
	}
	between := x509.NewCertPool()
	for _, cert := range cs.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: p.conf.Source.Roots(), Intermediates: between, CurrentTime: p.conf.Now(), DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return id, nil, err
	}
	if len(chains[0]) < 2 {
		return id, nil, errors.New("its certificate is a root's")
	}
	return id, chains[0], nil
}

// judge returns nil if no certificate of a verified chain is revoked. It begins at
// the root's end, so that who comes with a revoked intermediate gets no list of it
// fetched. The staple, which may be nil, is about the chain's first certificate.
func (p *Peer) judge(ctx context.Context, chain []*x509.Certificate, staple []byte) error {
	for i := len(chain) - 2; i > 0; i-- {
		if err := p.judgeOne(ctx, chain, i, nil); err != nil {
			return err
		}
	}
	return p.judgeOne(ctx, chain, 0, staple)
}

func (p *Peer) judgeOne(ctx context.Context, chain []*x509.Certificate, i int, staple []byte) error {
	cert, issuer := chain[i], chain[i+1]
	serial, err := crl.SerialOf(cert.SerialNumber.Bytes())
	if err != nil {
		return err
	}
	if k := p.keeperOf(chain, i+1); k != nil {
		if err := k.names(serial); err != nil {
			return err
		}
		if k.fresh(p.conf.Now()) == nil {
			return nil
		}
	}
	if done, err := p.stapled(cert, issuer, staple); done {
		return err
	}
	return p.ask(ctx, cert, issuer)
}

// serialText writes a serial number as the CA does: 16 octets in hex.
func serialText(cert *x509.Certificate) string { return fmt.Sprintf("%032x", cert.SerialNumber) }
