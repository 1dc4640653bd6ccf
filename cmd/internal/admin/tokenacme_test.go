package admin_test

import (
	"encoding/base64"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A token for an ACME client comes with its key's id and HMAC key, which are the
// token's own; nobody is shown them again.
func TestTokenForACME(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	made, err := root.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1", EAB: true})
	require.NoError(t, err)
	require.True(t, made.EAB)
	require.Equal(t, made.ID, made.KID)
	require.Contains(t, made.Secret, "."+made.HMACKey+".")
	external, err := f.ExternalKey(t.Context(), made.KID, netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	require.Equal(t, made.HMACKey, base64.RawURLEncoding.EncodeToString(external.Key()))

	plain, err := root.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-2"})
	require.NoError(t, err)
	require.Empty(t, plain.KID+plain.HMACKey)
	require.False(t, plain.EAB)
	list, err := root.Tokens(t.Context(), adminapi.TokenFilter{}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, list.Items, 2)
	for _, item := range list.Items {
		require.Equal(t, item.ID == made.ID, item.EAB)
	}
}
