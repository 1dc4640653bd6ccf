package audit

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// SealAside encrypts what lies beside the log and is as secret as its entries, such as what
// was found in them. It opens only under the same Keys and as what it was sealed, so that
// nobody puts one in another's place. One Keys seals fewer than 2^32 (NIST SP 800-38D,
// Section 8.3).
func (k *Keys) SealAside(what string, text []byte) []byte {
	return k.asideAEAD().Seal(nil, nil, text, []byte(what))
}

// OpenAside returns what SealAside encrypted, or an error if it was changed, was sealed as
// something else, or under other keys.
func (k *Keys) OpenAside(what string, sealed []byte) ([]byte, error) {
	text, err := k.asideAEAD().Open(nil, nil, sealed, []byte(what))
	if err != nil {
		return nil, fmt.Errorf("opening %s: changed, or of another log", what)
	}
	return text, nil
}

// asideAEAD draws its own nonces, and puts them in front.
func (k *Keys) asideAEAD() cipher.AEAD {
	block, err := aes.NewCipher(k.aside[:])
	if err != nil { // the key has the right length
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
