package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"github.com/betonica/betonica/revoke/ocsp"
)

const (
	stapleRetry    = time.Second // after the first attempt without an answer
	stapleRetryMax = time.Minute
)

// A staple is an OCSP answer about this machine's own certificate.
type staple struct {
	cert  *tls.Certificate // with the answer
	leaf  []byte
	until time.Time // nextUpdate
}

// certificate returns what this machine shows: its certificate, with a staple if
// there is one that is in time. It waits for nothing.
func (p *Peer) certificate() *tls.Certificate {
	cert := p.conf.Source.Certificate()
	s := p.shown.Load()
	if s == nil || !p.conf.Now().Before(s.until) || len(cert.Certificate) == 0 || !bytes.Equal(cert.Certificate[0], s.leaf) {
		return cert
	}
	return s.cert
}

// keepStapled has a staple fetched, and a newer one at half its life, until ctx
// ends.
func (p *Peer) keepStapled(ctx context.Context) {
	wait := stapleRetry
	for {
		half, err := p.fetchStaple(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			half, wait = wait, min(2*wait, stapleRetryMax)
			e := Event{Kind: Unstapled, Err: err}
			if leaf, err := leafOf(p.conf.Source.Certificate()); err == nil {
				e.Serial = serialText(leaf)
			}
			p.event(e)
		} else {
			wait = stapleRetry
		}
		timer := time.NewTimer(half)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-p.renewed:
		}
		timer.Stop()
	}
}

// fetchStaple fetches an answer, verifies it, and shows it if it says "good". It
// returns when to fetch the next.
func (p *Peer) fetchStaple(ctx context.Context) (half time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	cert := p.conf.Source.Certificate()
	leaf, err := leafOf(cert)
	if err != nil {
		return 0, err
	}
	issuing, _, err := ownIssuers(p.conf.Source, p.conf.Now())
	if err != nil {
		return 0, err
	}
	answer, der, err := p.query(ctx, leaf, issuing, nil)
	if err == nil {
		err = verdict(answer.Status)
	}
	if err != nil {
		if errors.Is(err, ErrRevoked) {
			p.shown.Store(nil)
		}
		return 0, err
	}
	with := *cert
	with.OCSPStaple = der
	p.shown.Store(&staple{cert: &with, leaf: leaf.Raw, until: answer.NextUpdate})
	p.event(Event{Kind: Stapled, Serial: serialText(leaf)})
	return max(answer.NextUpdate.Sub(p.conf.Now())/2, stapleRetry), nil
}

// stapled judges a certificate by what the other end stapled: an answer that is
// signed, for this certificate, and made for anybody, so that it is believed no
// longer than a list would be, and never beyond its nextUpdate. It reports whether
// the staple decides.
func (p *Peer) stapled(cert, issuer *x509.Certificate, der []byte) (done bool, err error) {
	if len(der) == 0 || len(der) > maxAnswer {
		return false, nil
	}
	i, err := ocsp.NewIssuer(issuer)
	if err != nil {
		return false, nil
	}
	asked, err := i.NewRequest(cert.SerialNumber.Bytes(), nil)
	if err != nil {
		return false, nil
	}
	now := p.conf.Now()
	answers, err := i.Verify(der, asked, now)
	if err != nil || now.Sub(answers[0].ThisUpdate) > p.conf.MaxAge || answers[0].Status == ocsp.Unknown {
		return false, nil
	}
	p.counts.staples.Add(1)
	return true, verdict(answers[0].Status)
}
