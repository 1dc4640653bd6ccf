package client

import (
	"context"
	"net/http"

	"github.com/betonica/betonica/enroll/api"
)

// AttestBegin shows the CA a TPM's endorsement key and an attestation key, and returns
// what only that TPM can answer. token says which machine it is of, if the CA's
// inventory does not; nil: none. It is not spent.
func (c *Client) AttestBegin(ctx context.Context, token *api.JoinToken, begin api.AttestBegin) (api.AttestChallenge, error) {
	authorization := ""
	if token != nil {
		authorization = "Bearer " + token.String()
	}
	var challenge api.AttestChallenge
	err := c.call(ctx, http.MethodPost, api.PathAttestBegin, authorization, begin, &challenge)
	return challenge, err
}

// AttestFinish answers the challenge, once, and returns the attestation key's
// certificate, which the CA alone has use for: nothing in it is checked.
func (c *Client) AttestFinish(ctx context.Context, finish api.AttestFinish) (api.AttestCertificate, error) {
	var cert api.AttestCertificate
	err := c.call(ctx, http.MethodPost, api.PathAttestFinish, "", finish, &cert)
	return cert, err
}

// AttestNonce returns a nonce for an attestation by the key of the certificate with this
// serial number. If that is good no more, the error is an [*api.Problem] of type
// [api.ProblemAttestation].
func (c *Client) AttestNonce(ctx context.Context, serial string) (string, error) {
	var nonce api.AttestNonce
	err := c.call(ctx, http.MethodPost, api.PathAttestNonce, "", api.AttestNonce{Serial: serial}, &nonce)
	return nonce.Nonce, err
}
