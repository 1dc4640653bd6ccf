package crl_test

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

func shard(t testing.TB, ca party, number, base int64, point string, serials ...uint64) *crl.List {
	p := template(number, base)
	p.Point = point
	var all []crl.Entry
	for _, n := range serials {
		all = append(all, crl.Entry{Serial: serial(n), RevokedAt: now, Reason: crl.KeyCompromise})
	}
	return open(t, ca, encode(t, ca, p, set(t, all...)))
}

// A shard says which certificates it is about, critical, and with nothing beside the URL:
// it is about CA certificates as much as others (RFC 5280, Section 5.2.5).
func TestPoint(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	p := template(5, 0)
	p.Point = shardURL
	der := encode(t, ca, p, collect(t, 3))
	require.Equal(t, &crl.Scope{URLs: []string{shardURL}}, open(t, ca, der).Scope())
	list, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	last := list.Extensions[len(list.Extensions)-1]
	require.Equal(t, "2.5.29.28", last.Id.String())
	require.True(t, last.Critical)
	require.Equal(t, pointAt(shardURL), last.Value)
}

// Whoever has a shard that the issuer signed, and gives it to a relying party in place of
// the complete list, or a delta of a shard in place of the complete one, achieves nothing:
// what is held stays held, whatever the number.
func TestPartialIsRefused(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	held := accept(t, begin(t, full(t, ca, 10, 1)), list(t, ca, 20, 10, 2))
	point := func(parts ...[]byte) []byte { return extension(distributionPoint, true, seq(parts...)) }
	forged := func(number byte, more ...[]byte) *crl.List {
		f := forgery{revoked: []byte{}, extensions: append([][]byte{akiOf(ca), extension(cRLNumber, false, integer(number))}, more...)}
		return open(t, ca, f.der(t, ca))
	}
	for name, l := range map[string]*crl.List{
		"an empty shard, newer":          shard(t, ca, 21, 0, shardURL),
		"a shard between":                shard(t, ca, 15, 0, shardURL, 1),
		"a shard that points at us":      shard(t, ca, 21, 0, "http://ca.example/crl/ab/full.crl", 1, 2),
		"a delta of a shard":             shard(t, ca, 21, 10, shardURL),
		"a delta of a shard, newer base": shard(t, ca, 30, 21, shardURL),
		"users only":                     forged(21, point(tlv(0x81, []byte{0xff}))),
		"CAs only":                       forged(21, point(tlv(0x82, []byte{0xff}))),
		"CAs only, delta":                forged(21, point(tlv(0x82, []byte{0xff})), extension(deltaIndicator, true, integer(10))),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := held.Accept(l, now)
			require.ErrorIs(t, err, crl.ErrPartial)
			require.Nil(t, s)
			require.Equal(t, []uint64{1, 2}, revoked(held))
			_, err = crl.NewState(l, now)
			require.ErrorIs(t, err, crl.ErrPartial)
		})
	}
}

// openssl takes a certificate's own shard, and refuses what that revokes; by the shard of
// others, even an empty one, it trusts nobody.
func TestOpenSSLScope(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	good, bad := sharded(t, ca, 5, shardURL), sharded(t, ca, 9, shardURL)
	plain := leaf(t, ca, 5)
	s := newShelf(t)
	caFile := s.pem("ca.pem", "CERTIFICATE", ca.Raw)
	sign := func(name, point string, revoked ...crl.Entry) string {
		p := today(5, 0)
		p.Point = point
		return s.pem(name, "X509 CRL", encode(t, ca, p, set(t, revoked...)))
	}
	gone := crl.Entry{Serial: serial(9), RevokedAt: now.AddDate(-1, 0, 0)}
	own := sign("own.pem", shardURL, gone)
	others := sign("others.pem", "http://ca.example/crl/ab/4/2.crl")
	complete := sign("complete.pem", "", gone)
	for _, tt := range []struct {
		name, list string
		cert       party
		says       string // empty: accepted
	}{
		{"good, own shard", own, good, ""},
		{"revoked, own shard", own, bad, "certificate revoked"},
		{"good, another shard", others, good, "different CRL scope"},
		{"revoked, another shard", others, bad, "different CRL scope"},
		{"no point of its own, a shard", others, plain, "different CRL scope"},
		{"good, the complete list", complete, good, ""},
		{"revoked, the complete list", complete, bad, "certificate revoked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := s.pem("leaf.pem", "CERTIFICATE", tt.cert.Raw)
			said, err := ask(t, "openssl", "verify", "-crl_check", "-CAfile", caFile, "-CRLfile", tt.list, file)
			if tt.says == "" {
				require.NoError(t, err, said)
				return
			}
			require.Error(t, err)
			require.Contains(t, strings.ToLower(said), strings.ToLower(tt.says)) // versions differ in that
		})
	}
	said := witness(t, "openssl", "crl", "-in", own, "-CAfile", caFile, "-noout", "-text")
	require.Contains(t, said, "X509v3 Issuing Distribution Point: critical")
	require.Contains(t, said, shardURL)
}
