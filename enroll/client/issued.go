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

// issue posts csr, and checks what comes back against it.
func (c *Client) issue(ctx context.Context, path, authorization string, csr []byte, since int64) (Issued, error) {
	block, _ := pem.Decode(csr)
	if block == nil {
		return Issued{}, errors.New("the certificate request is not PEM")
	}
	req, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return Issued{}, fmt.Errorf("the certificate request: %w", err)
	}
	var resp api.EnrollResponse
	err = c.call(ctx, http.MethodPost, path, authorization, api.EnrollRequest{CSR: string(csr), Since: since}, &resp)
	if err != nil {
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
