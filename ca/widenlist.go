package ca

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// added names those of a list that were not had before, or is "".
func added[T any](next []T, had func(T) bool) string {
	const most = 5
	var names []string
	more := 0
	for _, item := range next {
		switch {
		case had(item):
		case len(names) < most:
			names = append(names, fmt.Sprint(item))
		default:
			more++
		}
	}
	text := strings.Join(names, ", ")
	if more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

func in[T comparable](list []T) func(T) bool {
	return func(item T) bool { return slices.Contains(list, item) }
}

// inside reports whether a network lies in one of the list.
func inside(list []netip.Prefix) func(netip.Prefix) bool {
	return func(p netip.Prefix) bool {
		return slices.ContainsFunc(list, func(before netip.Prefix) bool { return before.Bits() <= p.Bits() && before.Contains(p.Addr()) })
	}
}

// covers reports whether p matches every name that other matches; it may miss that. To
// stand for a * takes a *.
func (p Pattern) covers(other Pattern) bool {
	return p.text == other.text || other.text != "" && p.Match(strings.ReplaceAll(other.text, "*", "\x01"))
}

// coversDNS reports whether a DNS rule allows what another does: itself, or one name
// below a wildcard. What a {name} becomes nobody knows.
func coversDNS(rule, other string) bool {
	if strings.EqualFold(rule, other) {
		return true
	}
	_, domain, ok := strings.Cut(other, ".")
	return ok && !strings.ContainsAny(other, "*{") && strings.EqualFold(rule, "*."+domain)
}

// coversKey reports whether a kind of key is another, or of at least as many bits.
func coversKey(kind, other string) bool {
	least, rsa := rsaBits(kind)
	bits, same := rsaBits(other)
	return kind == other || rsa && same && bits >= least
}

func addedRoots(last, next []*x509.Certificate) string {
	var names []string
	for _, root := range next {
		if !slices.ContainsFunc(last, root.Equal) {
			names = append(names, fmt.Sprintf("%q", clip(root.Subject.String())))
		}
	}
	return added(names, func(string) bool { return false })
}
