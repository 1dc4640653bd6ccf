package crl_test

import (
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

const (
	deltaURL = "http://ca.example/crl/ab/delta.crl"
	shardURL = "http://ca.example/crl/ab/4/1.crl"
)

// A full list says where its deltas are, not critical; a delta does not (RFC 5280,
// Section 5.2.6).
func TestFreshest(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	p := template(5, 0)
	p.Freshest = deltaURL
	der := encode(t, ca, p, collect(t, 3))
	require.Equal(t, []string{deltaURL}, open(t, ca, der).Freshest())
	list, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	last := list.Extensions[len(list.Extensions)-1]
	require.Equal(t, "2.5.29.46", last.Id.String())
	require.False(t, last.Critical)
	require.Equal(t, seq(pointAt(deltaURL)), last.Value)
	require.Empty(t, open(t, ca, encode(t, ca, template(5, 0), collect(t, 3))).Freshest())

	p.Base = 4
	require.Error(t, crl.Encode(nil, ca.Certificate, ca.Signer, p, crl.Set{}))
	for _, url := range []string{"http://a/\u00e9", "http://a/ b", "http://a/\x00", "http://a/\x7f"} {
		p := template(5, 0)
		p.Freshest = url
		require.Error(t, crl.Encode(nil, ca.Certificate, ca.Signer, p, crl.Set{}))
		p.Freshest, p.Point = "", url
		require.Error(t, crl.Encode(nil, ca.Certificate, ca.Signer, p, crl.Set{}))
	}
}

// Of the points in freshestCRL those count that say a URL and nothing that narrows it;
// the others do no harm, since the extension is not critical.
func TestOpenFreshest(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	url := func(s string) []byte { return tlv(0x86, []byte(s)) }
	for _, tt := range []struct {
		name   string
		points []byte
		want   []string
	}{
		{"two points", seq(pointAt("http://a/"), pointAt("ldap://b/")), []string{"http://a/", "ldap://b/"}},
		{"two names", seq(seq(tlv(0xa0, tlv(0xa0, url("http://a/"), url("http://b/"))))), []string{"http://a/", "http://b/"}},
		{"a directory name", seq(seq(tlv(0xa0, tlv(0xa0, tlv(0xa4, seq()), url("http://b/"))))), []string{"http://b/"}},
		{"a relative name", seq(seq(tlv(0xa0, tlv(0xa1, seq())))), []string{}},
		{"some reasons", seq(pointAt("http://a/", tlv(0x81, []byte{1, 0x40}))), []string{}},
		{"another issuer", seq(pointAt("http://a/", tlv(0xa2, tlv(0xa4, seq())))), []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := forgery{extensions: [][]byte{akiOf(ca), extension(cRLNumber, false, integer(5)), extension(freshestCRL, false, tt.points)}}
			require.Equal(t, tt.want, open(t, ca, f.der(t, ca)).Freshest())
		})
	}
}
