package sign

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"net/http"
)

// Digest returns the Content-Digest of a body (RFC 9530, Section 2).
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// A Body compares a body that passes with its Content-Digest. Write the payload to it.
type Body struct {
	hash.Hash
	want []byte
}

// NewBody reads the Content-Digest, of which sha-256 is required. The error is
// [ErrInvalid].
func NewBody(h http.Header) (*Body, error) {
	want, err := parseBytes(joined(h, "Content-Digest"), "sha-256")
	if err != nil || len(want) != sha256.Size {
		return nil, ErrInvalid
	}
	return &Body{sha256.New(), want}, nil
}

// Matches reports whether what was written is the body that was signed.
func (b *Body) Matches() bool { return subtle.ConstantTimeCompare(b.Sum(nil), b.want) == 1 }
