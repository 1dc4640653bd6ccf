package admin_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store"
)

// An officer ends many at once, and learns of each what became of it; what makes no
// sense refuses all, and an operator may not.
func TestRevokeMany(t *testing.T) {
	f := serve(t, os.Getuid())
	officer := f.as("officer")
	f.enrolled("device", "pump-1")
	valve := store.SerialOf(f.enrolled("device", "valve-1").Leaf).String()
	items := []adminapi.RevocationItem{
		{Identity: "device/pump-1", Reason: "keyCompromise"}, {Identity: "device/nobody"}, {Serial: valve}, {Identity: "ca/betonicad"}, {Serial: strings.Repeat("7", 32)},
	}
	statuses := func(dryRun bool) (all []string) {
		results, err := officer.RevokeMany(t.Context(), adminapi.RevokeManyRequest{Items: items, DryRun: dryRun})
		require.NoError(t, err)
		for _, r := range results {
			all = append(all, r.Status)
		}
		require.Equal(t, "device/valve-1", results[2].Identity)
		require.Contains(t, results[3].Detail, "root")
		return all
	}
	first := []string{adminapi.ItemRevoked, adminapi.ItemUnknown, adminapi.ItemRevoked, adminapi.ItemFailed, adminapi.ItemUnknown}
	require.Equal(t, first, statuses(true))
	require.Empty(t, f.Audit("identity.revoke"))
	require.Equal(t, first, statuses(false))
	require.Equal(t, []string{adminapi.ItemAlready, adminapi.ItemUnknown, adminapi.ItemAlready, adminapi.ItemFailed, adminapi.ItemUnknown}, statuses(false))
	entries := f.Audit("identity.revoke")
	require.Len(t, entries, 1)
	require.Equal(t, "officer/alice", entries[0].Actor)
	require.Equal(t, "device/pump-1", entries[0].Subject)

	f.enrolled("device", "pump-2")
	good := adminapi.RevocationItem{Identity: "device/pump-2"}
	for _, bad := range [][]adminapi.RevocationItem{
		{}, make([]adminapi.RevocationItem, adminapi.MaxRevocations+1),
		{good, {}}, {good, {Identity: "device/pump-2", Serial: valve}}, {good, {Serial: "xyz"}}, {good, {Identity: "device/pump-2", Reason: "certificateHold"}},
	} {
		_, err := officer.RevokeMany(t.Context(), adminapi.RevokeManyRequest{Items: bad})
		require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	}
	_, err := f.as("operator").RevokeMany(t.Context(), adminapi.RevokeManyRequest{Items: []adminapi.RevocationItem{good}})
	require.Equal(t, http.StatusForbidden, problem(t, err).Status)
	require.Equal(t, store.Active, f.CA.Identity("device/pump-2").State)
}
