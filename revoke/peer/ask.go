package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
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
	status, err := p.status(ctx, cert, issuer)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	case status == ocsp.Good:
		return nil
	case status == ocsp.Unknown:
		return fmt.Errorf("%w: the responder does not know it", ErrUnknown)
	}
	return fmt.Errorf("%w (%s)", ErrRevoked, status)
}

func (p *Peer) status(ctx context.Context, cert, issuer *x509.Certificate) (ocsp.Status, error) {
	i, err := ocsp.NewIssuer(issuer)
	if err != nil {
		return 0, err
	}
	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	asked, err := i.NewRequest(cert.SerialNumber.Bytes(), nonce)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.conf.URL+"/ocsp", bytes.NewReader(asked.Marshal()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", ocsp.RequestType)
	resp, err := p.conf.HTTP.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("OCSP: %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, err
	}
	answers, err := i.Verify(body, asked, p.conf.Now())
	if err != nil {
		return 0, err
	}
	return answers[0].Status, nil
}
