package ca_test

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// A certificate's list is fixed when it is issued: the complete one, or of n shards the
// one of its serial number modulo n.
func TestShards(t *testing.T) {
	a := newAuthority(t, hierarchy(), nil)
	policy, req := newPolicy(t, openPolicy), newRequest(t, p256Key(), x509.CertificateRequest{})
	issue := func() *x509.Certificate {
		cert, err := a.Issue(newGrant(t, policy, "device/SN-1", req, time.Now()), accept)
		require.NoError(t, err)
		return cert
	}
	require.Equal(t, 1, a.Shards())
	for _, n := range []int{2, 8, 1024, ca.MaxShards} {
		a.SetShards(n)
		require.Equal(t, n, a.Shards())
		for range 20 {
			cert := issue()
			i := new(big.Int).Mod(cert.SerialNumber, big.NewInt(int64(n)))
			want := fmt.Sprintf("http://ca.hospital.example:8080/crl/%s/%d/%d.crl", a.IssuerID(), n, i)
			require.Equal(t, []string{want}, cert.CRLDistributionPoints)
		}
	}
	a.SetShards(1)
	require.Equal(t, []string{a.ListURL("full.crl")}, issue().CRLDistributionPoints)
	for _, n := range []int{-1, 0, 3, 2 * ca.MaxShards} {
		require.Panics(t, func() { a.SetShards(n) }, "%d", n)
	}
}

// Where it is configured, a certificate on the complete list says where deltas to it
// are, not critical; one on a shard does not, since our deltas are not of its scope.
func TestFreshest(t *testing.T) {
	h := hierarchy()
	a, err := ca.New(ca.Config{Certificate: h.Intermediate, Root: h.Root, Signer: h.IntermediateKey, URL: "http://ca.example", Freshest: true})
	require.NoError(t, err)
	policy, req := newPolicy(t, openPolicy), newRequest(t, p256Key(), x509.CertificateRequest{})
	freshest := func(a *ca.Authority) (values []string) {
		cert, err := a.Issue(newGrant(t, policy, "device/SN-1", req, time.Now()), accept)
		require.NoError(t, err)
		for _, e := range cert.Extensions {
			if e.Id.String() == "2.5.29.46" {
				require.False(t, e.Critical)
				values = append(values, string(e.Value))
			}
		}
		return values
	}
	got := freshest(a)
	require.Len(t, got, 1)
	require.Contains(t, got[0], a.ListURL("delta.crl"))
	a.SetShards(4)
	require.Empty(t, freshest(a))
	require.Empty(t, freshest(newAuthority(t, h, nil)))
}
