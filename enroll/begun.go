package enroll

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/limit"
)

// challengeLife is how long a TPM may take to answer a challenge. Slow ones take
// seconds.
const challengeLife = 2 * time.Minute

// begun bounds how many challenges are made.
type begun struct {
	sources *limit.Window[netip.Prefix]
	all     *limit.Window[struct{}]
}

func newBegun() *begun {
	return &begun{sources: limit.NewWindow[netip.Prefix](60, time.Minute), all: limit.NewWindow[struct{}](6000, time.Minute)}
}

// count counts a beginning, and returns how long its caller shall wait: 0 if there were
// not too many.
func (b *begun) count(from netip.Addr, now time.Time) time.Duration {
	if wait := b.sources.Count(limit.Source(from), now); wait > 0 {
		return wait // and one network does not use up what is there for all
	}
	return b.all.Count(struct{}{}, now)
}

// A challengeState is what the answer to a challenge is held against. It travels with
// the caller, sealed, so that any replica can finish what another one began.
type challengeState struct {
	Nonce    [16]byte // makes it good once
	Until    int64    // Unix milliseconds
	Secret   [32]byte // SHA-256 of what the TPM finds
	Identity string   // path
	EK       [32]byte // SHA-256 of the SubjectPublicKeyInfo
	AK       []byte   // SubjectPublicKeyInfo
	TPM      ca.TPM
	By       string // what the identity follows from, for the log: "inventory", "token:<id>"
}

var errChallenge = errors.New("not a challenge of ours")

// seal returns the state as text that only open can read.
func (r *Registrar) sealChallenge(s challengeState, now time.Time) (string, error) {
	day := binary.BigEndian.AppendUint32(nil, uint32(now.Unix()/86400))
	aead, err := r.challengeKey(day)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(day, nil, text, day)), nil
}

// openChallenge returns the state that sealChallenge sealed.
func (r *Registrar) openChallenge(id string) (s challengeState, err error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(sealed) < 4 {
		return s, errChallenge
	}
	aead, err := r.challengeKey(sealed[:4])
	if err != nil {
		return s, err
	}
	text, err := aead.Open(nil, nil, sealed[4:], sealed[:4])
	if err != nil {
		return s, errChallenge
	}
	return s, json.Unmarshal(text, &s)
}

// challengeKey returns what seals the challenges of a day. A key of its own for each
// keeps random nonces far from their bound of 2^32 for one key (NIST SP 800-38D,
// Section 8.3), whoever floods us.
func (r *Registrar) challengeKey(day []byte) (cipher.AEAD, error) {
	if r.sealer == nil {
		return nil, errors.New("there is no key to seal the challenges of TPMs with")
	}
	block, err := aes.NewCipher(r.sealer.Key(fmt.Sprintf("attestation challenges of day %x", day)))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
