package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/ocsp"
)

const (
	maxAsking = 64              // OCSP questions at a time
	askWithin = 3 * time.Second // for an answer, waiting one's turn included
	maxAnswer = 64 << 10        // bytes
)

// ask asks OCSP about a certificate, with a nonce, so that the answer is of now.
// Anything but a verified "good" is an error: [ErrRevoked], or [ErrUnknown].
func (p *Peer) ask(ctx context.Context, cert, issuer *x509.Certificate) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	case <-ctx.Done():
		return fmt.Errorf("%w: too many questions are under way", ErrUnknown)
	}
	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	p.counts.asked.Add(1)
	answer, _, err := p.query(ctx, cert, issuer, nonce)
	if err != nil {
		p.counts.askedFailed.Add(1)
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return verdict(answer.Status)
}

// verdict is what a status means: nil for "good" only.
func verdict(s ocsp.Status) error {
	switch s {
	case ocsp.Good:
		return nil
	case ocsp.Unknown:
		return fmt.Errorf("%w: the responder does not know it", ErrUnknown)
	}
	return fmt.Errorf("%w (%s)", ErrRevoked, s)
}

// query sends a request and returns the verified answer, and its DER. Without a
// nonce the answer may be as old as its thisUpdate says.
func (p *Peer) query(ctx context.Context, cert, issuer *x509.Certificate, nonce []byte) (answer ocsp.SingleResponse, der []byte, err error) {
	i, err := ocsp.NewIssuer(issuer)
	if err != nil {
		return answer, nil, err
	}
	asked, err := i.NewRequest(cert.SerialNumber.Bytes(), nonce)
	if err != nil {
		return answer, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.conf.OCSP, bytes.NewReader(asked.Marshal()))
	if err != nil {
		return answer, nil, err
	}
	req.Header.Set("Content-Type", ocsp.RequestType)
	resp, err := p.conf.HTTP.Do(req)
	if err != nil {
		return answer, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answer, nil, fmt.Errorf("OCSP: %s", resp.Status)
	}
	der, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(der) > maxAnswer {
		err = errors.New("OCSP: the answer is too long")
	}
	if err != nil {
		return answer, nil, err
	}
	answers, err := i.Verify(der, asked, p.conf.Now())
	if err != nil {
		return answer, nil, err
	}
	return answers[0], der, nil
}
