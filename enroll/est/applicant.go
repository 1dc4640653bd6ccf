package est

import (
	"crypto/x509"
	"net/http"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/pkcs10"
)

// notToken stands for credentials that were shown and cannot be a token, so that they
// are refused, counted and recorded as a bad one.
const notToken = "?"

// token returns the join token that is the password of HTTP Basic (RFC 7617), "" if
// no credentials are shown. A token has no colon, so what is before the first one is
// the user, who may be called anything.
func token(r *http.Request) (string, error) {
	switch len(r.Header.Values("Authorization")) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", malformed("There is more than one Authorization header.")
	}
	_, password, ok := r.BasicAuth()
	if !ok || password == "" {
		return notToken, nil
	}
	return password, nil
}

// holdsOther reports whether a request holds another token than the one that it comes
// with: it was made for somebody else, whose key would be lost to him.
func holdsOther(csr []byte, token string) bool {
	for oid, values := range pkcs10.Attributes(csr) {
		text, _ := pkcs10.Text(values)
		if _, err := api.ParseToken(text); oid.Equal(oidChallengePassword) && err == nil && text != token {
			return true
		}
	}
	return false
}

// certificates returns what was presented in the handshake, which has shown that the
// client has the first one's key: one of ours, or the chain of a manufacturer. It
// goes by the issuer that the certificate names; whether that is true is looked up.
func (h *Handler) certificates(r *http.Request) (ours *x509.Certificate, foreign []*x509.Certificate) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, nil
	}
	presented := r.TLS.PeerCertificates
	if h.Issuers.Chain(presented[0]) != nil {
		return presented[0], nil
	}
	return nil, presented
}

// follow certifies the next key of whoever presented a certificate of ours; one that
// has expired is good as long as its role says, for a new key.
func (h *Handler) follow(r *http.Request, cert *x509.Certificate, csr []byte, terms enroll.Terms) (*x509.Certificate, error) {
	find, issue := h.Registrar.Holder, h.Registrar.Reenroll
	if h.Registrar.Late(cert) {
		find, issue = h.Registrar.LateHolder, h.Registrar.ReenrollLate
	}
	holder, err := find(r.Context(), cert, api.Source(r))
	if err != nil {
		return nil, err
	}
	holder.Sent = api.Sent(r)
	return issue(r.Context(), holder, csr, terms)
}
