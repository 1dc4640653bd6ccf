package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/betonica/betonica/enroll/api"
)

// Bootstrap makes the first contact: it turns the fingerprint in a join token
// (the SHA-256 of the root's DER) into a [Trust]. conf needs only a URL.
//
//  1. GET /roots/{sha256} over a connection that proves nothing. What comes back
//     is the root if its hash is the fingerprint, whoever sent it.
//  2. The same over a new connection, which the server must now prove to be the
//     CA's, under that root. It tells the trust domain.
//
// Nothing secret is sent in either step. The error wraps [ErrNotCA] if the
// answer does not hash to the fingerprint.
func Bootstrap(ctx context.Context, conf Config, fingerprint [32]byte) (Trust, error) {
	conf.Certificate = nil
	stranger := conf
	stranger.Heard = nil
	blind, err := newClient(stranger, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // the hash of what comes back is the check
	})
	if err != nil {
		return Trust{}, err
	}
	defer blind.Close()
	root, _, err := blind.root(ctx, fingerprint)
	if err != nil {
		return Trust{}, err
	}

	conf.Trust.Roots = []*x509.Certificate{root}
	sure, err := New(conf)
	if err != nil {
		return Trust{}, err
	}
	defer sure.Close()
	_, state, err := sure.root(ctx, fingerprint)
	if err != nil {
		return Trust{}, err
	}
	server, err := parseID(state.PeerCertificates[0])
	if err != nil {
		return Trust{}, err
	}
	conf.Trust.TrustDomain = server.trustDomain
	return conf.Trust, nil
}

// root fetches the root certificate of that fingerprint, and says over which
// connection it came.
func (c *Client) root(ctx context.Context, fingerprint [32]byte) (*x509.Certificate, *tls.ConnectionState, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+api.PathRoots+hex.EncodeToString(fingerprint[:]), nil)
	if err != nil {
		return nil, nil, err
	}
	body, resp, err := c.do(req)
	if err != nil {
		return nil, nil, err
	}
	root, err := parseRoot(body, fingerprint)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: %w", c.base, ErrNotCA, err)
	}
	return root, resp.TLS, nil
}

// errFingerprint says no more: what came instead is a stranger's.
var errFingerprint = errors.New("its root certificate is not the one that the token names: is the token of another CA?")

// parseRoot returns the certificate in body, PEM or DER, if its hash is the
// fingerprint and it can be a root.
func parseRoot(body []byte, fingerprint [32]byte) (*x509.Certificate, error) {
	der := body
	if block, _ := pem.Decode(body); block != nil {
		der = block.Bytes
	}
	if sum := sha256.Sum256(der); !bytes.Equal(sum[:], fingerprint[:]) {
		return nil, errFingerprint
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !root.IsCA || !root.BasicConstraintsValid {
		return nil, errors.New("the certificate that the token names is not a CA's")
	}
	return root, nil
}
