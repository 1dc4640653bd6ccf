package allow_test

import (
	"crypto/x509"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

func id(t testing.TB, path string) allow.ID {
	got, err := allow.ParseID("spiffe://hospital.example/" + path)
	require.NoError(t, err)
	return got
}

// An ID has one spelling, and everything else is no ID.
func TestParseID(t *testing.T) {
	for _, uri := range []string{
		"spiffe://hospital.example/device/SN-0042",
		"spiffe://a/b/c",
		"spiffe://td/role-9/A.b_c-d..e",
		"spiffe://" + strings.Repeat("a", 60) + ".bcd/" + strings.Repeat("r", 64) + "/" + strings.Repeat("n", 64),
	} {
		got, err := allow.ParseID(uri)
		require.NoError(t, err, uri)
		require.Equal(t, uri, got.String())
		again, err := allow.ParseID(got.String())
		require.NoError(t, err)
		require.True(t, got == again)
	}
	for _, uri := range append([]string{
		"", "spiffe://", "device/SN-0042", "https://td/role/name", "SPIFFE://td/role/name", "spiffe:td/role/name",
		"spiffe://td", "spiffe://td/", "spiffe://td/role", "spiffe://td/role/", "spiffe://td//name", "spiffe:///role/name",
		"spiffe://td/role/name/", "spiffe://td/role/name/more",
		"spiffe://Td/role/name", "spiffe://t_d/role/name", "spiffe://-td/role/name", "spiffe://td-/role/name", "spiffe://td..e/role/name",
		"spiffe://td./role/name", "spiffe://user@td/role/name", "spiffe://td:443/role/name", "spiffe://*/role/name",
		"spiffe://td/Role/name", "spiffe://td/ro.le/name", "spiffe://td/ro_le/name", "spiffe://td/*/name",
		"spiffe://td/role/na me", "spiffe://td/role/na%20me", "spiffe://td/role/näme", "spiffe://td/role/name?q", "spiffe://td/role/name#f",
		"spiffe://td/role/.", "spiffe://td/role/..", "spiffe://td/role/*", "spiffe://td/role/na\x00me", " spiffe://td/role/name",
		"spiffe://" + strings.Repeat("a.", 32) + "a/role/name",
		"spiffe://td/" + strings.Repeat("r", 65) + "/name",
		"spiffe://td/role/" + strings.Repeat("n", 65),
		"spiffe://td/role/" + strings.Repeat("n", 1<<20),
	}, "spiffe://"+strings.Repeat("a", 64)+"/role/name") {
		got, err := allow.ParseID(uri)
		require.Error(t, err, uri)
		require.Zero(t, got)
		require.Less(t, len(err.Error()), 300, "an error does not repeat all of what a stranger sent")
	}
	require.Empty(t, allow.ID{}.String())
}

// A certificate is of the identity that its only URI names; with two it is of none.
func TestIDOf(t *testing.T) {
	parse := func(all ...string) *x509.Certificate {
		c := new(x509.Certificate)
		for _, s := range all {
			u, err := url.Parse(s)
			require.NoError(t, err)
			c.URIs = append(c.URIs, u)
		}
		return c
	}
	got, err := allow.IDOf(parse("spiffe://hospital.example/device/SN-1"))
	require.NoError(t, err)
	require.Equal(t, id(t, "device/SN-1"), got)
	require.Equal(t, []string{"hospital.example", "device", "SN-1"}, []string{got.TrustDomain(), got.Role(), got.Name()})
	for _, c := range []*x509.Certificate{
		parse(),
		parse("https://hospital.example/device/SN-1"),
		parse("spiffe://hospital.example/device/SN-1", "spiffe://hospital.example/device/SN-2"),
		parse("spiffe://hospital.example/device/SN-1", "https://hospital.example/"),
		parse("spiffe://hospital.example/device/%53N-1"),
	} {
		_, err := allow.IDOf(c)
		require.Error(t, err, "%v", c.URIs)
	}
}
