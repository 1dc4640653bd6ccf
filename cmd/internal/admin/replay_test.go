package admin_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// Whoever tries a policy learns what it would refuse, is on record as a reader of the log,
// and changes nothing.
func TestTestPolicy(t *testing.T) {
	f := serve(t, os.Getuid())
	f.enrolled("device", "SN-1")
	before, err := f.root().Policy(t.Context())
	require.NoError(t, err)
	part, err := f.root().TestPolicy(t.Context(), adminapi.ReplayRequest{Text: "[role.device]\nnames = ['p-*']\n", Since: f.Now().Add(-time.Hour)})
	require.NoError(t, err)
	require.Len(t, part.Changed, 1)
	require.Equal(t, []string{"issued", "device/SN-1", "device", "names"}, []string{part.Changed[0].Was, part.Changed[0].Identity, part.Changed[0].Role, part.Changed[0].Key})
	require.Positive(t, part.Changed[0].Seq)
	require.Empty(t, part.Next)
	require.Len(t, f.Audit("audit.read"), 1)
	after, err := f.root().Policy(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = f.root().TestPolicy(t.Context(), adminapi.ReplayRequest{Text: "[role", Since: f.Now()})
	require.Error(t, err)
}
