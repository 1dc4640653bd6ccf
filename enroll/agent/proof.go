package agent

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/betonica/betonica/enroll/api"
)

// A Proof is what a machine shows to get its first certificate: at least one of a
// token, a birth certificate, a key in a chip ([Config.Attest]) and the wish to be
// approved. A role may want several.
type Proof struct {
	// Token is a join token; nil: none.
	Token *api.JoinToken
	// Birth is the certificate that the machine's maker gave it, with its key and
	// intermediates; nil: none. The key of the machine's own certificate is another.
	Birth *tls.Certificate
	// Ask says that the machine waits until a person approves it.
	Ask bool
	// Root is the SHA-256 of the DER of the CA's root certificate, by which the CA is
	// known at first contact. A Token has it; without one it is needed.
	Root [sha256.Size]byte
}

// check completes the proof.
func (p Proof) check(attests bool) (Proof, error) {
	none := [sha256.Size]byte{}
	switch {
	case p.Token == nil && p.Birth == nil && !p.Ask && !attests:
		return p, errors.New("nothing to show to the CA: it takes a token, a birth certificate, a TPM, or a person who approves")
	case p.Token == nil && p.Root == none:
		return p, errors.New("nothing to know the CA by: without a token it takes its root certificate, or the SHA-256 of that")
	case p.Token != nil && p.Root != none && p.Root != p.Token.Root:
		return p, errors.New("the token names another root certificate than the one that was given")
	case p.Token != nil:
		p.Root = p.Token.Root
	}
	return p, nil
}

// names says what is shown, without any secret: the token's id, and the rest.
func (p Proof) names(keys string) (token, rest string) {
	if p.Token != nil {
		id := p.Token.ID()
		token = hex.EncodeToString(id[:])
	}
	var all []string
	if p.Birth != nil {
		sum := sha256.Sum256(p.Birth.Certificate[0])
		all = append(all, "birth:"+hex.EncodeToString(sum[:16]))
	}
	if p.Token == nil && p.Birth == nil && keys != "" {
		all = append(all, keys)
	}
	if p.Ask {
		all = append(all, "ask")
	}
	return token, strings.Join(all, "+")
}
