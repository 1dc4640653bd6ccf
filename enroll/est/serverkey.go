package est

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
)

// serverKey answers POST serverkeygen (RFC 7030, Section 4.4): a key of the kind that
// the request has, and its certificate. Roles have to allow it, and should not: a key
// that was made here has been in two places. It is kept in none of them, so a lost
// reply is lost, and the token with it. A client may have it encrypted beyond TLS: see
// recipientOf.
func (h *Handler) serverKey(w http.ResponseWriter, r *http.Request, label string) error {
	csr, err := readCSR(w, r)
	if err != nil {
		return err
	}
	claim, err := h.claim(r, label, csr)
	if err != nil {
		return err
	}
	if !h.makesKeys(label) {
		return errNoServerKeys
	}
	claim.ServerKey, claim.Ask = true, false // nobody keeps the key meanwhile
	parsed, err := ca.ParseRequest(csr)
	if err != nil || claim.Token == "" && claim.Birth == nil {
		_, err := h.admit(r, claim) // refuses it, and has that on record
		return err
	}
	to, err := recipientOf(r, csr)
	if err != nil {
		return err
	}
	if err := h.Registrar.Recognize(r.Context(), claim); err != nil {
		return err // strangers have nothing made
	}
	key, own, err := h.ownRequest(r, parsed, csr)
	if err != nil {
		return err
	}
	secret, err := h.keyPart(key, to) // before anything is spent for it
	if err != nil {
		return err
	}
	defer clear(secret.der)
	claim.CSR = own
	cert, err := h.admit(r, claim)
	if err != nil {
		return err
	}
	return replyKey(w, r, secret, cert)
}

// makesKeys reports whether keys are made for a label; without one, for any role.
func (h *Handler) makesKeys(label string) bool {
	policy := h.Registrar.Policies.Current()
	names := []string{label}
	if label == "" {
		names = policy.Roles()
	}
	for _, name := range names {
		if role, ok := policy.Role(name); ok && role.ServerKeys {
			return true
		}
	}
	return false
}

// ownRequest makes a key of the request's kind, and the request for it with the same
// names. RSA is of 2048 bits at least and 4096 at most; one such key is made at a
// time, since it takes a while.
func (h *Handler) ownRequest(r *http.Request, req ca.Request, csr []byte) (crypto.Signer, []byte, error) {
	asked, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, nil, err // package ca has read it
	}
	key, err := h.makeKey(r, req)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		RawSubject: asked.RawSubject, URIs: asked.URIs, DNSNames: asked.DNSNames, IPAddresses: asked.IPAddresses,
	}, key)
	return key, der, err
}

func (h *Handler) makeKey(r *http.Request, req ca.Request) (crypto.Signer, error) {
	switch public := req.PublicKey().(type) {
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(public.Curve, rand.Reader)
	case ed25519.PublicKey:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case *rsa.PublicKey:
		select {
		case h.making <- struct{}{}:
			defer func() { <-h.making }()
		case <-time.After(making):
			return nil, errKeyMaking
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		return rsa.GenerateKey(rand.Reader, min(max(public.N.BitLen()/1024*1024, 2048), 4096))
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// making is how long a request waits for its turn.
const making = 10 * time.Second

// A part is one of the two that make an answer.
type part struct {
	media string
	der   []byte
}

// keyPart is the private key, which is nowhere else: encrypted, if it is to be.
func (h *Handler) keyPart(key crypto.Signer, to *recipient) (part, error) {
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil || to == nil {
		return part{mediaKey, secret}, err
	}
	defer clear(secret)
	by, err := h.Identity()
	if err != nil {
		return part{}, err
	}
	sealed, err := to.seal(secret, by)
	return part{mediaSealedKey, sealed}, err
}

// replyKey writes both parts (RFC 7030, Section 4.4.2).
func replyKey(w http.ResponseWriter, r *http.Request, secret part, cert *x509.Certificate) error {
	bundle, err := certsOnly([]*x509.Certificate{cert})
	if err != nil {
		return err
	}
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	for _, p := range []part{secret, {mediaCertsOnly, bundle}} {
		to, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {p.media}, "Content-Transfer-Encoding": {"base64"}})
		if err != nil {
			return err
		}
		if _, err := to.Write(encode(r, p.der)); err != nil {
			return err
		}
	}
	if err := parts.Close(); err != nil {
		return err
	}
	write(w, http.StatusOK, "multipart/mixed; boundary="+strings.Trim(parts.Boundary(), `"`), body.Bytes())
	return nil
}
