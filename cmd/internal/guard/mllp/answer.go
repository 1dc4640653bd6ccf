package mllp

import (
	"bytes"
	"errors"
	"slices"
)

// maxBefore is how many segments may stand before MSA: after MSH are SFT, any number of
// times, and UAC.
const maxBefore = 16

var (
	errNoAnswer = errors.New("no acknowledgement")
	errCode     = errors.New("MSA-1 is no acknowledgement code")
)

// An answer is an acknowledgement, or a response to a query, which begins with one.
type answer struct {
	Header
	code string // MSA-1; "" of a batch
	to   string // MSA-2: the control ID of the message that it answers
}

// parseAnswer reads the MSH and the MSA segment of a message (HL7 v2.5.1, Sections
// 2.15.8 and 2.15.9); text is the message, or the first of it. A message without MSA is
// no answer. Of a header that rules do not judge only the separators must be good.
func parseAnswer(text []byte) (answer, error) {
	h, err := ParseHeader(text, true)
	a := answer{Header: h}
	if h.Separators == (Separators{}) {
		return a, err
	}
	if h.Batch {
		return a, nil
	}
	for range maxBefore {
		i := lineEnd(text)
		if i < 0 {
			return a, errNoAnswer
		}
		text = text[i+1:]
		if segment, ok := bytes.CutPrefix(text, []byte{'M', 'S', 'A', h.Separators.Field}); ok {
			return a, a.parseMSA(segment)
		}
	}
	return a, errNoAnswer
}

// parseMSA reads what follows the segment's name.
func (a *answer) parseMSA(segment []byte) error {
	if i := lineEnd(segment); i >= 0 {
		segment = segment[:i]
	}
	code, rest, _ := bytes.Cut(segment, []byte{a.Separators.Field})
	id, _, _ := bytes.Cut(rest, []byte{a.Separators.Field})
	if !slices.Contains([]string{"AA", "AE", "AR", "CA", "CE", "CR"}, string(code)) {
		return errCode
	}
	if len(id) > maxID || !plain(id) {
		return errControlID
	}
	a.code, a.to = string(code), string(id)
	return nil
}

// positive says whether an answer says yes.
func (a *answer) positive() bool { return a.code == "AA" || a.code == "CA" }
