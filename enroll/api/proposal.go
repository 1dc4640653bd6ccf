package api

import (
	"errors"
	"strings"
)

// ProposalCode writes the number of a proposal, or of a power, as people call it:
// "P-7ZK4-09TM", in Crockford's base32.
func ProposalCode(id [codeBits / 8]byte) string {
	text := crockford.EncodeToString(id[:])
	return "P-" + text[:codeGroup] + "-" + text[codeGroup:]
}

// ErrProposal reports a text that is not the number of a proposal.
var ErrProposal = errors.New("not the number of a proposal: want P- and eight letters and digits, such as P-7ZK4-09TM")

// ParseProposal reads what [ProposalCode] writes, as freely as [ParseCode]. The error is
// [ErrProposal].
func ParseProposal(text string) (id [codeBits / 8]byte, err error) {
	text = strings.TrimLeft(text, " ")
	if text == "" || text[0] != 'P' && text[0] != 'p' {
		return id, ErrProposal
	}
	code, err := ParseCode(text[1:])
	if err != nil {
		return id, ErrProposal
	}
	if _, err := crockford.Decode(id[:], []byte(strings.ReplaceAll(code, "-", ""))); err != nil {
		return id, ErrProposal
	}
	return id, nil
}
