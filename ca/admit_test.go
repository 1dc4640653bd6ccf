package ca_test

import (
	"crypto/x509"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// Whether an identity may ask for anything, and for a name, can be known before
// there is a request, and is what Decide says then.
func TestAdmits(t *testing.T) {
	p := newPolicy(t, decidePolicy)
	near, far := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.1")
	for _, tt := range []struct {
		path   string
		method ca.Method
		source netip.Addr
		denied string
	}{
		{"device/SN-1", ca.MethodACME, far, ""},
		{"device/SN-1", ca.MethodSelf, far, "method"},
		{"device/other", ca.MethodACME, far, "name"},
		{"unknown/x", ca.MethodACME, far, "no such role"},
		{"narrow/x", ca.MethodToken, near, ""},
		{"narrow/x", ca.MethodToken, far, "networks"},
		{"narrow/x", ca.MethodACME, near, "method"},
	} {
		err := p.Admits(ca.Identity{ID: newID(t, tt.path), Method: tt.method, Source: tt.source})
		if tt.denied == "" {
			require.NoError(t, err)
			continue
		}
		var denied *ca.DeniedError
		require.ErrorAs(t, err, &denied)
		require.Contains(t, denied.Reason, tt.denied)
	}
	require.Error(t, p.Admits(ca.Identity{Method: ca.MethodToken}))
}

// Who shows fewer proofs than the role takes gets nothing, whatever the protocol;
// only a renewal takes none but itself.
func TestProofs(t *testing.T) {
	p := newPolicy(t, "[role.pump]\nmethods = ['token', 'approval', 'renew', 'acme']\nproofs = 2\n")
	for _, tt := range []struct {
		method ca.Method
		proofs int
		want   bool
	}{
		{ca.MethodToken, 0, false}, {ca.MethodToken, 1, false}, {ca.MethodToken, 2, true}, {ca.MethodToken, 3, true},
		{ca.MethodACME, 0, false}, {ca.MethodRenew, 0, true}, {ca.MethodBirth, 2, false},
	} {
		id := ca.Identity{ID: newID(t, "pump/SN-1"), Method: tt.method, Proofs: tt.proofs}
		_, err := p.Decide(id, newRequest(t, p256Key(), x509.CertificateRequest{}), time.Now())
		require.Equal(t, tt.want, err == nil, "%s with %d", tt.method, tt.proofs)
		require.Equal(t, tt.want, p.Admits(id) == nil)
	}
}

// A role covers a name for the identity that it is for, a wildcard only where it
// lists it, and an address as it stands.
func TestCovers(t *testing.T) {
	p := newPolicy(t, decidePolicy)
	device := newID(t, "device/SN-1")
	for name, want := range map[string]bool{
		"sn-1.device.hospital.example": true, "sn-2.device.hospital.example": false, "a.lab.hospital.example": true,
		"*.lab.hospital.example": true, "*.a.lab.hospital.example": false, "*.hospital.example": false, "*.sn-1.ward.example": true,
	} {
		require.Equal(t, want, p.CoversDNS(device, name) == nil, name)
	}
	for addr, want := range map[string]bool{"10.20.0.1": true, "::ffff:10.20.0.1": true, "10.21.0.1": false, "fd00:20::1": true, "fd00:20::1%x": false} {
		require.Equal(t, want, p.CoversIP(device, netip.MustParseAddr(addr)) == nil, addr)
	}
	var denied *ca.DeniedError
	require.ErrorAs(t, p.CoversDNS(newID(t, "unknown/x"), "localhost"), &denied)
	require.ErrorAs(t, p.CoversIP(device, netip.Addr{}), &denied)
}
