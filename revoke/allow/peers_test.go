package allow_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
)

// A pattern names those that it says, and nobody beside them.
func TestPeers(t *testing.T) {
	const td = "spiffe://hospital.example/"
	for _, tt := range []struct {
		pattern string
		yes, no []string
	}{
		{"device/SN-1", []string{"device/SN-1"}, []string{"device/SN-12", "device/SN-", "device/sn-1", "gateway/SN-1"}},
		{"device/SN-*", []string{"device/SN-1", "device/SN-x-y_z"}, []string{"device/SN-", "device/SN-1.icu", "device/XSN-1", "gateway/SN-1"}},
		{"device/*", []string{"device/a", "device/SN-1"}, []string{"device/a.b", "gateway/a"}},
		{"device/*.icu", []string{"device/pump.icu"}, []string{"device/pump.er", "device/.icu", "device/a.pump.icu", "device/pumpicu"}},
		{"device/*.*", []string{"device/a.b"}, []string{"device/a", "device/a.b.c", "device/a."}},
		{"device/a*b*c", []string{"device/axbxc", "device/abbbc", "device/axbxcxc", "device/aXbbXbc"}, []string{"device/abc", "device/axbc", "device/axbxcx"}},
		{"device", []string{"device/a", "device/a.b.c", "device/..."}, []string{"devices/a", "gateway/device"}},
		{"dev*", []string{"device/a", "developer/a.b"}, []string{"dev/a", "gateway/device"}},
		{"*", []string{"device/a", "gateway/a.b"}, nil},
		{"*/a", []string{"device/a", "gateway/a"}, []string{"device/b"}},
		{"pump-*/a", []string{"pump-x/a"}, []string{"pump-/a", "pump/a"}},
	} {
		peers, err := allow.ParsePeers(td + tt.pattern)
		require.NoError(t, err)
		for _, path := range tt.yes {
			require.True(t, peers.Match(id(t, path)), "%s is %s", path, tt.pattern)
			other, err := allow.ParseID("spiffe://other.example/" + path)
			require.NoError(t, err)
			require.False(t, peers.Match(other), "of another trust domain")
		}
		for _, path := range tt.no {
			require.False(t, peers.Match(id(t, path)), "%s is not %s", path, tt.pattern)
		}
		require.False(t, peers.Match(allow.ID{}), "nobody is not %s", tt.pattern)
	}
}

// Whoever is named by no pattern stays out; without patterns, everyone.
func TestPeersDefaultDeny(t *testing.T) {
	require.False(t, allow.Peers{}.Match(id(t, "device/a")))
	require.False(t, allow.Peers{}.Match(allow.ID{}))
	_, err := allow.ParsePeers()
	require.Error(t, err)

	peers, err := allow.ParsePeers("spiffe://hospital.example/device/a", "spiffe://hospital.example/gateway")
	require.NoError(t, err)
	require.True(t, peers.Match(id(t, "device/a")))
	require.True(t, peers.Match(id(t, "gateway/b")))
	require.False(t, peers.Match(id(t, "device/b")))
}

// A pattern that could mean more than it seems to is refused.
func TestParsePeersRefuses(t *testing.T) {
	for _, text := range []string{
		"", "*", "device/*", "spiffe://", "spiffe://hospital.example", "spiffe://hospital.example/",
		"spiffe://*/device/a", "spiffe://*.example/device/a", "spiffe://hospital.*/device", "spiffe://Hospital.example/device",
		"spiffe://hospital.example/**", "spiffe://hospital.example/device/**",
		"spiffe://hospital.example/device/a**b", "spiffe://hospital.example/device/", "spiffe://hospital.example//a", "spiffe://hospital.example/device/a/b",
		"spiffe://hospital.example/device/a?", "spiffe://hospital.example/device/[a]", "spiffe://hospital.example/device/..",
		"spiffe://hospital.example/device/" + strings.Repeat("*a", 33), "https://hospital.example/device/a",
	} {
		_, err := allow.ParsePeers("spiffe://hospital.example/device/ok", text)
		require.Error(t, err, text)
	}
}

// The worst pattern against the longest name costs no more than the product of their
// lengths: this returns.
func TestPeersCost(t *testing.T) {
	peers, err := allow.ParsePeers("spiffe://hospital.example/device/" + strings.Repeat("a*", 32))
	require.NoError(t, err)
	require.False(t, peers.Match(id(t, "device/"+strings.Repeat("a", 63)+".")))
	require.Zero(t, testing.AllocsPerRun(10, func() { peers.Match(allow.ID{}) }))
}
