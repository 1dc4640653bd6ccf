package signed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// typ says what is signed, and keeps it apart from every other JWS (RFC 8725, Section
// 3.11).
const typ = "betonica-guard-rules+jws"

// header is the protected header; there is no other.
type header struct {
	Algorithm string   `json:"alg"`
	Type      string   `json:"typ"`
	Chain     [][]byte `json:"x5c"` // base64 with padding, as encoding/json has it (RFC 7515, Section 4.1.6)
}

const half = 32 // bytes of each of the two numbers of a signature (RFC 7518, Section 3.4)

var base64url = base64.RawURLEncoding

// Sign seals a statement under the certificate of the CA's own server, whose key is of
// P-256.
func Sign(s Statement, by *tls.Certificate) ([]byte, error) {
	key, ok := by.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the CA's own key is not of P-256")
	}
	head, err := json.Marshal(header{"ES256", typ, by.Certificate})
	if err != nil {
		return nil, err
	}
	body, err := s.encode()
	if err != nil {
		return nil, err
	}
	text := base64url.AppendEncode(nil, head)
	text = base64url.AppendEncode(append(text, '.'), body)
	digest := sha256.Sum256(text)
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return nil, fmt.Errorf("signing rules: %w", err)
	}
	var signature [2 * half]byte
	r.FillBytes(signature[:half])
	v.FillBytes(signature[half:])
	text = base64url.AppendEncode(append(text, '.'), signature[:])
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the rules of one guard are larger than %d bytes", MaxSize)
	}
	return text, nil
}
