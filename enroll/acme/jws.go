package acme

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// maxBody is the size of the largest request that is read, in bytes: a CSR with an
// RSA-8192 key and a hundred long names, in base64 twice.
const maxBody = 64 << 10

// mediaJOSE is what every POST is sent as (RFC 8555, Section 6.2).
const mediaJOSE = "application/jose+json"

// accountAlgorithms are those that an account's key may sign with. RFC 8555,
// Section 6.2 demands ES256, and forbids "none" and every MAC.
var accountAlgorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.PS256}

// bindingAlgorithms are those of an external account binding (Section 7.3.4).
var bindingAlgorithms = []jose.SignatureAlgorithm{jose.HS256}

// A jws is a JSON Web Signature as ACME has it (Section 6.2): flattened, one
// signature, everything in the protected header. Nothing of it is verified, until
// verify says so.
type jws struct {
	header  header
	payload []byte
	compact string
	allowed []jose.SignatureAlgorithm
}

// header is what the protected header says. It is read as strictly as JSON can
// be: names in their case, and each once, so that there is one reading only.
type header struct {
	Algorithm jose.SignatureAlgorithm `json:"alg"`
	Nonce     *string                 `json:"nonce"`
	URL       *string                 `json:"url"`
	KeyID     *string                 `json:"kid"`
	Key       *json.RawMessage        `json:"jwk"`
	Critical  *json.RawMessage        `json:"crit"`
	Base64    *json.RawMessage        `json:"b64"`
}

// readBody reads the body of a POST, at most [maxBody] bytes.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media := r.Header.Get("Content-Type"); media != mediaJOSE {
		return nil, malformed("the Content-Type must be " + mediaJOSE).status(http.StatusUnsupportedMediaType)
	}
	var body bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= maxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	_, err := io.Copy(&body, http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, malformed(fmt.Sprintf("the request is larger than %d bytes", maxBody)).status(http.StatusRequestEntityTooLarge)
	}
	if err != nil {
		return nil, malformed("the body cannot be read to its end")
	}
	return body.Bytes(), nil
}

// parseJWS reads a JWS that is signed with one of those algorithms. The error is a
// [*problem].
func parseJWS(body []byte, allowed []jose.SignatureAlgorithm) (*jws, error) {
	var flat struct {
		Protected  *string          `json:"protected"`
		Payload    *string          `json:"payload"`
		Signature  *string          `json:"signature"`
		Header     *json.RawMessage `json:"header"`
		Signatures *json.RawMessage `json:"signatures"`
	}
	if err := decode(body, &flat); err != nil {
		return nil, err
	}
	switch {
	case flat.Signatures != nil:
		return nil, malformed("JWS: it must have one signature, in the flattened form")
	case flat.Header != nil:
		return nil, malformed("JWS: there must be no unprotected header")
	case flat.Protected == nil || flat.Payload == nil || flat.Signature == nil:
		return nil, malformed("JWS: protected, payload and signature are required")
	}
	j := &jws{compact: strings.Join([]string{*flat.Protected, *flat.Payload, *flat.Signature}, "."), allowed: allowed}
	protected, err := base64.RawURLEncoding.Strict().DecodeString(*flat.Protected)
	if err != nil {
		return nil, malformed("JWS: protected is not base64url without padding")
	}
	if j.payload, err = base64.RawURLEncoding.Strict().DecodeString(*flat.Payload); err != nil {
		return nil, malformed("JWS: payload is not base64url without padding")
	}
	if err := decode(protected, &j.header); err != nil {
		return nil, err
	}
	if j.header.Critical != nil || j.header.Base64 != nil {
		return nil, malformed("JWS: crit and b64 are not understood here")
	}
	if !slices.Contains(allowed, j.header.Algorithm) {
		return nil, &problem{
			Type: badSignatureAlgorithm, Status: http.StatusBadRequest, Algorithms: allowed,
			Detail: fmt.Sprintf("signatures by %.20q are not taken", j.header.Algorithm),
		}
	}
	return j, nil
}

// verify checks the signature. key is an account's public key of the right
// strength, or the secret of an external account binding.
func (j *jws) verify(key any) error {
	signed, err := jose.ParseSignedCompact(j.compact, j.allowed)
	if err != nil {
		return malformed("JWS: it cannot be read")
	}
	if _, err := signed.Verify(key); err != nil {
		return errSignature
	}
	return nil
}

// errSignature is what a JWS that does not verify is answered with; Section 6.2
// has no type of its own for it.
var errSignature = malformed("JWS: the signature does not verify under the key")

// publicKey reads the key that the JWS carries in jwk, and checks its strength,
// and that the algorithm is the key's.
func (j *jws) publicKey() (*accountKey, error) {
	if j.header.Key == nil || j.header.KeyID != nil {
		return nil, malformed("JWS: this request is signed with jwk in the header, and no kid")
	}
	key, err := parseKey(*j.header.Key)
	if err != nil {
		return nil, err
	}
	return key, key.fits(j.header.Algorithm)
}

// parseCertificate reads a certificate in base64url, padded or not.
func parseCertificate(text string) (*x509.Certificate, error) {
	der, err := decodeBase64(text)
	if err != nil {
		return nil, malformed("certificate is not base64url")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, malformed("certificate is not one, in DER")
	}
	return cert, nil
}
