package api

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"strings"
	"time"
)

// NonceSize is the length of the nonce in a [Pending], in bytes.
const NonceSize = 16

// A Pending is the answer 202 to a machine that asks without a credential: a person
// has to approve its request. It comes with Retry-After; the machine repeats its request,
// with the same key, until that is answered otherwise:
//
//	201    approved: the certificate
//	202    nobody has decided yet
//	403    denied
//	409    approved, and overtaken since: it says what to do
//
// A request that nobody approves lapses at Expires; asking after that opens a new one,
// with another code.
type Pending struct {
	// RequestID is what logs and the audit log call the request by, in hex.
	RequestID string `json:"request_id"`
	// Nonce is what the CA drew for this request, in base64url without padding.
	Nonce string `json:"nonce"`
	// Code is the [Code] of the key that asks, and of the nonce.
	Code string `json:"code"`
	// PollAfter is Retry-After, in seconds.
	PollAfter int `json:"poll_after"`
	// Expires is when the request lapses.
	Expires time.Time `json:"expires"`
}

// Code returns what the person who approves a request compares with what the machine
// shows: the first 40 bits of
//
//	SHA-256("betonica ask" || SPKI || nonce)
//
// in Crockford's base32, "7ZK4-09TM". spki is the SubjectPublicKeyInfo (RFC 5280,
// Section 4.1.2.7) in DER, the nonce [NonceSize] bytes.
//
// The CA draws the nonce once it has the key, and once for each key: so nobody can
// look for a key whose code is another machine's. That holds where the machine knows
// its CA. Whoever poses as the CA draws the nonces, and can look for one.
func Code(spki, nonce []byte) string {
	h := sha256.New()
	h.Write([]byte("betonica ask"))
	h.Write(spki) // says itself where it ends
	h.Write(nonce)
	text := crockford.EncodeToString(h.Sum(nil)[:codeBits/8])
	return text[:codeGroup] + "-" + text[codeGroup:]
}

const (
	codeBits  = 40
	codeGroup = 4 // characters
)

const crockfordDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var crockford = base32.NewEncoding(crockfordDigits).WithPadding(base32.NoPadding)

// ErrCode reports a text that is not a code.
var ErrCode = errors.New("not a code: want eight letters and digits, such as 7ZK4-09TM")

// ParseCode reads a code as people write it, in small letters, with spaces or without
// the hyphen, O for 0, I or L for 1, and returns it as [Code] does. The error is
// [ErrCode].
func ParseCode(text string) (string, error) {
	if len(text) > 64 {
		return "", ErrCode
	}
	digits := make([]byte, 0, codeBits/5)
	for _, b := range []byte(text) {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		switch b {
		case ' ', '-':
			continue
		case 'O':
			b = '0'
		case 'I', 'L':
			b = '1'
		}
		if strings.IndexByte(crockfordDigits, b) < 0 || len(digits) == cap(digits) {
			return "", ErrCode
		}
		digits = append(digits, b)
	}
	if len(digits) < cap(digits) {
		return "", ErrCode
	}
	return string(digits[:codeGroup]) + "-" + string(digits[codeGroup:]), nil
}

// ErrPending reports an answer whose code is not that of the key that asked.
var ErrPending = errors.New("the CA's answer is about another key than the one that asked")

// Check returns an error unless p is an answer to whoever asked with the key of that
// SubjectPublicKeyInfo: [ErrPending], whatever is wrong with it. A machine that shows
// p.Code has checked it.
func (p Pending) Check(spki []byte) error {
	nonce, err := base64.RawURLEncoding.Strict().DecodeString(p.Nonce)
	if err != nil || len(nonce) != NonceSize || p.Code != Code(spki, nonce) {
		return ErrPending
	}
	return nil
}
