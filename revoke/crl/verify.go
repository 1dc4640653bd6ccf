package crl

import (
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/betonica/betonica/revoke/x690"
)

// Verify returns nil if der is the list that [Encode] would make of t and entries, and
// issuer signed it; otherwise it says what differs. It is for a publisher, before anybody
// gets the list: it trusts neither the encoder nor the memory that the list lay in.
//
// It compares entry by entry as it reads, so that it takes next to no memory beside der,
// which [Open] would double.
func Verify(der []byte, issuer *x509.Certificate, t Template, entries Set) error {
	body, algorithm, err := openSigned(der, issuer)
	if err != nil {
		return err
	}
	n, same := 0, 0 // entries read, and those before the first that differs
	l, err := parseAround(body, algorithm, issuer, func(list *x690.Reader) {
		for ; len(list.B) > 0; n++ {
			got := readRecord(list)
			if list.Err == nil && same == n && n < len(entries.records) && got == entries.records[n] {
				same++
			}
		}
	})
	switch {
	case err != nil:
		return err
	case same != n || n != len(entries.records):
		return fmt.Errorf("CRL %d has %d entries and should have %d; they differ from the one at %d on", t.Number, n, len(entries.records), same)
	case l.number != t.Number || l.base != t.Base || l.delta != (t.Base > 0):
		return fmt.Errorf("CRL %d, of base %d, says that it is %d, of base %d", t.Number, t.Base, l.number, l.base)
	case !l.thisUpdate.Equal(t.ThisUpdate) || !l.nextUpdate.Equal(t.NextUpdate):
		return fmt.Errorf("CRL %d is good from %s to %s, which it should not be", t.Number, l.thisUpdate, l.nextUpdate)
	case t.Point == "" && l.scope != nil,
		t.Point != "" && (l.scope == nil || l.scope.UserOnly || l.scope.CAOnly || !slices.Equal(l.scope.URLs, []string{t.Point})):
		return fmt.Errorf("CRL %d is about other certificates than it should be", t.Number)
	case t.Freshest == "" && l.freshest != nil, t.Freshest != "" && !slices.Equal(l.freshest, []string{t.Freshest}):
		return fmt.Errorf("CRL %d has its deltas elsewhere than it should", t.Number)
	}
	return nil
}
