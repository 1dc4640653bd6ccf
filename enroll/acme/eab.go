package acme

import (
	"bytes"
	"context"
	"net/http"
	"net/netip"

	"github.com/betonica/betonica/enroll"
)

// externalAccount checks an external account binding (RFC 8555, Section 7.3.4): a
// JWS over the account's public key, under the key that a token of `betonica token
// create --eab` gave out. url is that of the outer JWS. What is wrong with the
// signature is recorded, and not told.
func (h *Handler) externalAccount(ctx context.Context, body []byte, url string, key enroll.AccountKey, from netip.Addr) (*enroll.ExternalAccount, error) {
	j, err := parseJWS(body, bindingAlgorithms)
	if err != nil {
		return nil, err
	}
	switch {
	case j.header.KeyID == nil || j.header.Key != nil:
		return nil, malformed("externalAccountBinding: it must have a kid, and no jwk")
	case j.header.Nonce != nil:
		return nil, malformed("externalAccountBinding: it must have no nonce")
	case j.header.URL == nil || *j.header.URL != url:
		return nil, malformed("externalAccountBinding: url is not that of the request")
	}
	bound, err := parseKey(j.payload)
	if err != nil {
		return nil, malformed("externalAccountBinding: the payload is not a public key")
	}
	thumbprint, err := bound.thumbprint()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(thumbprint[:], key.Thumbprint[:]) {
		return nil, malformed("externalAccountBinding: the payload is not the key of this request")
	}
	external, err := h.Registrar.ExternalKey(ctx, *j.header.KeyID, from)
	if err != nil {
		return nil, err
	}
	if err := j.verify(external.Key()); err != nil {
		return nil, external.Bad(ctx)
	}
	return external, nil
}

var errExternalAccountRequired = newProblem(http.StatusForbidden, externalAccountRequired,
	"an account takes an external account binding: the operator makes one with `betonica token create --eab`")
