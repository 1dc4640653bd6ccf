package audit_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// What lies beside the log is read only by its owner, and only as what it was put there.
func TestAside(t *testing.T) {
	keys := audit.NewKeys(audit.NewMaster())
	for _, text := range [][]byte{nil, []byte("device/a was at 10.1.2.3"), bytes.Repeat([]byte{7}, 1<<18)} {
		sealed := keys.SealAside("alert 7", text)
		require.NotContains(t, string(sealed), "10.1.2.3")
		got, err := keys.OpenAside("alert 7", sealed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, got))

		_, err = keys.OpenAside("alert 8", sealed)
		require.Error(t, err)
		_, err = audit.NewKeys(audit.NewMaster()).OpenAside("alert 7", sealed)
		require.Error(t, err)
		sealed[len(sealed)/2] ^= 1
		_, err = keys.OpenAside("alert 7", sealed)
		require.Error(t, err)
	}
	_, err := keys.OpenAside("alert 7", []byte("short"))
	require.Error(t, err)
}
