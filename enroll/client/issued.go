package client

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

// maxChain is how many certificates a chain may have, the leaf among them.
const maxChain = 8

// Issued is a certificate that the CA gave, checked to be what was asked for:
// it has the request's key, chains to a pinned root, is valid now, and names an
// identity of our trust domain.
type Issued struct {
	// Chain is the leaf and its intermediates, without the root.
	Chain []*x509.Certificate
	// ID is the leaf's SPIFFE ID.
	ID string
	// RenewAfter is when the CA wants to be asked again; unchecked.
	RenewAfter time.Time
	// ServerTime is the CA's clock when it answered; unchecked.
	ServerTime time.Time
	// Checkpoint is of the CA's log, nil if it gave none; unchecked.
	Checkpoint *api.Checkpoint
}

// A PendingError reports that a person has to approve the request. The caller repeats
// it, with the same key, until the answer is another.
type PendingError struct {
	api.Pending // checked to be about the request's key
	RetryAfter  time.Duration
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("a person has to approve the request; its code is %s, until %s", e.Code, stamp(e.Expires))
}

// issue posts r, and checks what comes back against it.
func (c *Client) issue(ctx context.Context, path, authorization string, r Request) (Issued, error) {
	block, _ := pem.Decode(r.CSR)
	if block == nil {
		return Issued{}, errors.New("the certificate request is not PEM")
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return Issued{}, fmt.Errorf("the certificate request: %w", err)
	}
	body := api.EnrollRequest{CSR: string(r.CSR), Since: r.Since, Attestation: r.Attestation, Role: r.Role, Ask: r.Ask}
	answer, head, err := c.exchange(ctx, http.MethodPost, path, authorization, body)
	if err != nil {
		return Issued{}, err
	}
	if head.StatusCode == http.StatusAccepted {
		return Issued{}, pending(answer, head, req.RawSubjectPublicKeyInfo)
	}
	var resp api.EnrollResponse
	if err := decode(answer, head, &resp); err != nil {
		return Issued{}, err
	}
	chain, id, err := c.conf.Trust.checkIssued([]byte(resp.Certificate), req.RawSubjectPublicKeyInfo)
	if err != nil {
		return Issued{}, fmt.Errorf("the certificate that the CA sent: %w", err)
	}
	return Issued{
		Chain: chain, ID: id.String(), RenewAfter: resp.RenewAfter, ServerTime: resp.ServerTime, Checkpoint: resp.Checkpoint,
	}, nil
}

// pending reads the answer 202.
func pending(answer []byte, head *http.Response, spki []byte) error {
	e := &PendingError{RetryAfter: retryAfter(head.Header)}
	if err := decode(answer, head, &e.Pending); err != nil {
		return err
	}
	if err := e.Check(spki); err != nil { // else this machine would show another one's code
		return err
	}
	if e.RetryAfter == 0 && e.PollAfter > 0 {
		e.RetryAfter = min(time.Duration(e.PollAfter)*time.Second, maxRetryAfter)
	}
	return e
}

// checkIssued reads a PEM chain and checks everything that [Issued] promises.
func (t Trust) checkIssued(text, spki []byte) ([]*x509.Certificate, spiffeID, error) {
	chain, err := ParseCertificates(text)
	if err != nil {
		return nil, spiffeID{}, err
	}
	if !bytes.Equal(chain[0].RawSubjectPublicKeyInfo, spki) {
		return nil, spiffeID{}, errors.New("it has another key than the request")
	}
	if err := t.verifyChain(chain, x509.ExtKeyUsageAny); err != nil {
		return nil, spiffeID{}, err
	}
	id, err := parseID(chain[0])
	if err != nil {
		return nil, spiffeID{}, err
	}
	if t.TrustDomain != "" && id.trustDomain != t.TrustDomain {
		return nil, spiffeID{}, fmt.Errorf("it is of the trust domain %s, and we are of %s", id.trustDomain, t.TrustDomain)
	}
	return chain, id, nil
}

// ParseCertificates reads the certificates of a PEM text, at least one and at
// most 8; a block that is something else, or text after the last, is an error.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" {
			return nil, errors.New("it is not a chain of certificates in PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if certs = append(certs, cert); len(certs) > maxChain {
			return nil, fmt.Errorf("it has more than %d certificates", maxChain)
		}
		text = rest
	}
	if len(certs) == 0 {
		return nil, errors.New("it is empty")
	}
	return certs, nil
}
