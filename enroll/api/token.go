package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
)

// ErrToken reports a text that is not a join token. It never quotes the text:
// a mistyped secret is still most of a secret.
var ErrToken = errors.New("not a join token: want bt1.SECRET.ROOT")

// A JoinToken is 256 random bits that enrol one machine, and the fingerprint of
// the root that this machine shall find at the other end, so that even its
// first contact is verified.
//
// A JoinToken is a secret. It logs as its id; only [JoinToken.String] shows it.
type JoinToken struct {
	Secret [32]byte
	Root   [32]byte // SHA-256 of the root certificate's DER
}

// tokenPrefix names the format and its version.
const tokenPrefix = "bt1"

// tokenText is unpadded base64url in its strict form, so that one token has one
// text.
var tokenText = base64.RawURLEncoding.Strict()

// NewJoinToken returns a new token for the CA whose root certificate has the
// SHA-256 fingerprint root. The text of its secret does not begin with "-", which
// ACME clients, given it as an HMAC key, would take for an option.
func NewJoinToken(root [32]byte) JoinToken {
	t := JoinToken{Root: root}
	for {
		rand.Read(t.Secret[:]) // never fails: crypto/rand ends the process instead
		if tokenText.EncodeToString(t.Secret[:])[0] != '-' {
			return t
		}
	}
}

// ParseToken reads the text form "bt1.<secret>.<root>", both in unpadded
// base64url. The text must be exactly what [JoinToken.String] writes: no spaces,
// no line end. The error is [ErrToken].
func ParseToken(text string) (JoinToken, error) {
	var t JoinToken
	prefix, rest, _ := strings.Cut(text, ".")
	secret, root, ok := strings.Cut(rest, ".")
	if prefix != tokenPrefix || !ok || !decode32(&t.Secret, secret) || !decode32(&t.Root, root) {
		return JoinToken{}, ErrToken
	}
	return t, nil
}

func decode32(to *[32]byte, text string) bool {
	// The decoder skips line ends, and a length check makes room for none.
	if len(text) != tokenText.EncodedLen(len(to)) {
		return false
	}
	n, err := tokenText.Decode(to[:], []byte(text))
	return err == nil && n == len(to)
}

// String returns the text form. It shows the secret.
func (t JoinToken) String() string {
	return tokenPrefix + "." + tokenText.EncodeToString(t.Secret[:]) + "." + tokenText.EncodeToString(t.Root[:])
}

// Hash returns the SHA-256 of the secret: what the store keeps in its place.
func (t JoinToken) Hash() [32]byte { return sha256.Sum256(t.Secret[:]) }

// ID returns the first 16 bytes of [JoinToken.Hash]: what the token is found by,
// and called in logs. It is not secret.
func (t JoinToken) ID() [16]byte {
	hash := t.Hash()
	return [16]byte(hash[:16])
}

// Matches reports whether hash is the hash of this token, in constant time.
func (t JoinToken) Matches(hash [32]byte) bool {
	own := t.Hash()
	return subtle.ConstantTimeCompare(own[:], hash[:]) == 1
}

// LogValue makes a token that strays into a log line appear as its id.
func (t JoinToken) LogValue() slog.Value {
	id := t.ID()
	return slog.StringValue("token:" + hex.EncodeToString(id[:]))
}
