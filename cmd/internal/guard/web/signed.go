package web

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/sign"
)

// A signature covers these, and the digest of a body if there is one.
var covered = []string{"@method", "@authority", "@path", "@query"}

const digestHeader = "content-digest"

// maxSigned bounds the body of a signed request, and atOnce how many are held.
const (
	maxSigned = 1 << 20
	atOnce    = 64
)

var errUnsigned = errors.New("signature of the request does not verify")

// messageOf is what is signed of a request whose target is as it is sent.
func messageOf(r *http.Request, host, target string) sign.Message {
	path, query, _ := strings.Cut(target, "?")
	return sign.Message{Method: r.Method, Authority: host, Path: path, Query: query, Header: r.Header}
}

// keyID names a certificate's key.
func keyID(c *x509.Certificate) string { return fmt.Sprintf("%032x", c.SerialNumber) }

// verify looks at the signature of a request: by the key of the certificate that the
// connection was made with, of now, never seen before, and with the record's number as
// its nonce. The body is compared with its digest as it passes.
func (a *access) verify(r *http.Request) error {
	c := a.peer.link.Caller.Certificate
	wanted := covered
	if r.ContentLength != 0 {
		wanted = append(wanted[:len(wanted):len(wanted)], digestHeader)
	}
	now := a.peer.link.Route.Now()
	in, err := sign.Verify(messageOf(r, r.Host, originForm(r.RequestURI)), c.PublicKey, wanted, now)
	if err != nil || in.KeyID != keyID(c) || in.Nonce != a.rec.Number || !a.gate.conf.Nonces.Use(in.KeyID, in.Nonce, now) {
		return errUnsigned
	}
	if r.ContentLength != 0 {
		if a.digest, err = sign.NewBody(r.Header); err != nil {
			return errUnsigned
		}
	}
	return nil
}

// originForm is a target without the scheme and authority that it may begin with.
func originForm(target string) string {
	if _, rest, ok := strings.Cut(target, "://"); ok && target[0] != '/' {
		return rest[strings.IndexByte(rest, '/'):]
	}
	return target
}

// hold reads the body that is to be signed, since its digest goes before it. release
// gives the room back.
func (g *Gate) hold(r *http.Request) (release func(), err error) {
	select {
	case g.held <- struct{}{}:
	case <-r.Context().Done():
		return nil, badBody
	}
	release = func() { <-g.held }
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSigned+1))
	if err == nil && len(body) > maxSigned {
		err = errSigned
	} else if err != nil {
		err = badBody
	}
	if err != nil {
		release()
		return nil, err
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(body), r.Body}
	r.ContentLength, r.TransferEncoding = int64(len(body)), nil
	r.Header.Set(digestHeader, sign.Digest(body))
	return release, nil
}

const errSigned = shape("body of a signed request is larger than 1 MiB")

// sign signs the request that goes to the other guard. Its nonce is the record's number.
func (a *access) sign(out *http.Request, host, target string, by *tls.Certificate) error {
	key, ok := by.PrivateKey.(crypto.Signer)
	if !ok || by.Leaf == nil {
		return errUnsigned
	}
	components := covered
	if out.ContentLength != 0 {
		components = append(components[:len(components):len(components)], digestHeader)
	}
	in := sign.Input{Components: components, Nonce: a.rec.Number, KeyID: keyID(by.Leaf)}
	_, err := sign.Sign(messageOf(out, host, target), in, key, a.peer.link.Route.Now())
	return err
}
