package sign

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// An Input is what a signature says of itself (RFC 9421, Section 2.3).
type Input struct {
	Components []string // lower-case names, and "@method" and the like

	Created, Expires time.Time // to the second; zero: not said
	Nonce            string
	KeyID            string
	Algorithm        string
	Tag              string

	text string // as it stands in Signature-Input, and is signed
}

// format writes an Input as it is sent.
func (in *Input) format() {
	var b strings.Builder
	b.WriteByte('(')
	for i, name := range in.Components {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(`"` + name + `"`)
	}
	b.WriteByte(')')
	for _, p := range []struct {
		name string
		at   time.Time
	}{{"created", in.Created}, {"expires", in.Expires}} {
		if !p.at.IsZero() {
			b.WriteString(";" + p.name + "=" + strconv.FormatInt(p.at.Unix(), 10))
		}
	}
	for _, p := range [][2]string{{"nonce", in.Nonce}, {"keyid", in.KeyID}, {"alg", in.Algorithm}, {"tag", in.Tag}} {
		if p[1] != "" {
			b.WriteString(";" + p[0] + `="` + p[1] + `"`) // of ours: no quotes in them
		}
	}
	in.text = b.String()
}

// Bounds of what is read.
const (
	maxField      = 4 << 10 // bytes of Signature-Input, and of Signature
	maxComponents = 32
	maxString     = 256
)

// parseInput finds the Input of a label in a Signature-Input.
func parseInput(field, label string) (Input, error) {
	if len(field) > maxField {
		return Input{}, ErrInvalid
	}
	var found Input
	var seen bool
	s := scanner{rest: field}
	for {
		name := s.key()
		if !s.skip('=') {
			return Input{}, ErrInvalid
		}
		in := s.innerList()
		if name == label {
			if seen {
				return Input{}, ErrInvalid
			}
			found, seen = in, true
		}
		s.space()
		if s.bad || s.rest == "" {
			break
		}
		if !s.skip(',') {
			return Input{}, ErrInvalid
		}
		s.space()
	}
	if s.bad || !seen {
		return Input{}, ErrInvalid
	}
	return found, nil
}

// parseBytes finds a label's byte sequence in a dictionary of them: Signature and
// Content-Digest.
func parseBytes(field, label string) ([]byte, error) {
	if len(field) > maxField {
		return nil, ErrInvalid
	}
	var found []byte
	s := scanner{rest: field}
	for {
		name := s.key()
		if !s.skip('=') || !s.skip(':') {
			return nil, ErrInvalid
		}
		text, rest, ok := strings.Cut(s.rest, ":")
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if !ok || err != nil || strings.ContainsAny(text, "\r\n") || name == label && found != nil {
			return nil, ErrInvalid
		}
		s.rest = rest
		if name == label {
			found = append([]byte{}, b...)
		}
		s.space()
		if s.bad || s.rest == "" {
			break
		}
		if !s.skip(',') {
			return nil, ErrInvalid
		}
		s.space()
	}
	if s.bad || found == nil {
		return nil, ErrInvalid
	}
	return found, nil
}
