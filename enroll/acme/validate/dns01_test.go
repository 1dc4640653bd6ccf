package validate_test

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/betonica/betonica/enroll/acme/validate"
)

const txtName = "_acme-challenge." + name + "."

func digest() string {
	sum := sha256.Sum256([]byte(keyAuth))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Who puts the digest into the name's zone, or where that points, has the name,
// and all names below it (RFC 8555, Section 8.4).
func TestDNS01(t *testing.T) {
	for _, tt := range []struct {
		name string
		zone func(*nameserver)
	}{
		{"one record", func(n *nameserver) { n.text(txtName, digest()) }},
		{"one of three", func(n *nameserver) { n.text(txtName, "v=spf1", digest(), secret) }},
		{"the last of a hundred, over TCP", func(n *nameserver) { n.text(txtName, append(others(99), digest())...) }},
		{"two strings", func(n *nameserver) {
			n.add(txtName, &dnsmessage.TXTResource{TXT: []string{digest()[:9], digest()[9:]}})
		}},
		{"an alias of an alias", func(n *nameserver) {
			n.add(txtName, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("alias.test.")})
			n.add("alias.test.", &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("zone.example.")})
			n.text("zone.example.", digest())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			tt.zone(s.nameserver)
			require.NoError(t, s.validate(t, validate.DNS01, name))
			wildcard := challenge(validate.DNS01, name)
			wildcard.Wildcard = true
			require.NoError(t, s.validator(t).Validate(t.Context(), wildcard))
		})
	}
}

// What is not the digest shows nothing, and neither does a resolver that is
// broken, or a zone that is made to keep us busy.
func TestDNS01Refused(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind string
		zone func(*nameserver)
	}{
		{"no name", validate.KindDNS, func(*nameserver) {}},
		{"no record", validate.KindDNS, func(n *nameserver) { n.host(txtName, "127.0.0.1") }},
		{"at the name itself", validate.KindDNS, func(n *nameserver) { n.text(name+".", digest()) }},
		{"another digest", validate.KindIncorrectResponse, func(n *nameserver) { n.text(txtName, secret) }},
		{"the key authorization", validate.KindIncorrectResponse, func(n *nameserver) { n.text(txtName, keyAuth) }},
		{"with padding", validate.KindIncorrectResponse, func(n *nameserver) { n.text(txtName, digest()+"=") }},
		{"in other letters", validate.KindIncorrectResponse, func(n *nameserver) { n.text(txtName, strings.ToLower(digest())) }},
		{"two halves", validate.KindIncorrectResponse, func(n *nameserver) { n.text(txtName, digest()[:20], digest()[20:]) }},
		{"too many", validate.KindIncorrectResponse, func(n *nameserver) { n.text(txtName, append(others(100), digest())...) }},
		{"a server's failure", validate.KindDNS, func(n *nameserver) { n.fail(txtName, dnsmessage.RCodeServerFailure) }},
		{"refused", validate.KindDNS, func(n *nameserver) { n.fail(txtName, dnsmessage.RCodeRefused) }},
		{"silence", validate.KindDNS, func(n *nameserver) { n.silence() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, nil)
			tt.zone(s.nameserver)
			v := s.validator(t)
			if tt.name == "silence" {
				v.Hurry(time.Minute, 500*time.Millisecond)
			}
			start := time.Now()
			requireError(t, tt.kind, v.Validate(t.Context(), challenge(validate.DNS01, name)))
			require.Less(t, time.Since(start), 4*time.Second) // our patience, not net's
		})
	}
}

// others returns n records as those of other orders.
func others(n int) []string {
	records := make([]string, n)
	for i := range records {
		sum := sha256.Sum256([]byte(strconv.Itoa(i)))
		records[i] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return records
}
