package sign

import (
	"crypto"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Label is the name of our signature among others.
const Label = "betonica"

// How long a signature is good for, and how far the other machine's clock may be ahead.
const (
	Window = 5 * time.Minute
	ahead  = time.Minute
)

// Sign signs a request, and adds to Signature-Input and Signature in its headers. What is
// covered is the method, the whole target, and those of the named headers. The Input
// that is returned has what in says, with Created, Expires and Algorithm set.
func Sign(m Message, in Input, key crypto.Signer, now time.Time) (Input, error) {
	a, err := algorithmOf(key.Public())
	if err != nil {
		return Input{}, err
	}
	in.Created, in.Expires, in.Algorithm = now.Truncate(time.Second), now.Truncate(time.Second).Add(Window), a.name
	in.format()
	base, err := m.base(in)
	if err != nil {
		return Input{}, err
	}
	signature, err := a.sign(key, base)
	if err != nil {
		return Input{}, err
	}
	m.Header.Add("Signature-Input", Label+"="+in.text)
	m.Header.Add("Signature", Label+"=:"+base64.StdEncoding.EncodeToString(signature)+":")
	return in, nil
}

// Verify returns what a request's signature says of itself, if it is by that key, covers
// all of the components named, and is of now. That its nonce is new is not looked at: see
// [Nonces]. The error is [ErrInvalid].
func Verify(m Message, public crypto.PublicKey, components []string, now time.Time) (Input, error) {
	in, err := verify(m, Label, public)
	if err != nil {
		return Input{}, err
	}
	for _, name := range components {
		if !slices.Contains(in.Components, name) {
			return Input{}, ErrInvalid
		}
	}
	switch {
	case in.Created.After(now.Add(ahead)),
		!now.Before(in.Expires) || in.Expires.Sub(in.Created) > Window, // without Created, too
		in.Nonce == "":
		return Input{}, ErrInvalid
	}
	return in, nil
}

// verify looks at the signature alone.
func verify(m Message, label string, public crypto.PublicKey) (Input, error) {
	a, err := algorithmOf(public)
	if err != nil {
		return Input{}, err
	}
	in, err := parseInput(joined(m.Header, "Signature-Input"), label)
	if err != nil {
		return Input{}, err
	}
	if in.Algorithm != "" && in.Algorithm != a.name { // the key decides, not the message (Section 3.2)
		return Input{}, ErrInvalid
	}
	signature, err := parseBytes(joined(m.Header, "Signature"), label)
	if err != nil {
		return Input{}, err
	}
	base, err := m.base(in)
	if err != nil || !a.verify(public, base, signature) {
		return Input{}, ErrInvalid
	}
	return in, nil
}

// joined is a header that may be on several lines as the one list it is.
func joined(h http.Header, name string) string { return strings.Join(h[name], ", ") }
