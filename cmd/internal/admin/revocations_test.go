package admin_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// An officer ends an identity and learns what fell; whoever asks again is told
// that nothing is left, and who names nobody, or too much, what is wrong.
func TestRevoke(t *testing.T) {
	f := serve(t, os.Getuid())
	officer := f.as("officer")
	pump := f.enrolled("device", "pump-1")
	serial := store.SerialOf(pump.Leaf).String()

	would, err := officer.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/pump-1", DryRun: true})
	require.NoError(t, err)
	require.Equal(t, []string{serial}, would.Serials)
	require.Equal(t, store.Active, f.CA.Identity("device/pump-1").State)

	fell, err := officer.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/pump-1", Reason: "keyCompromise"})
	require.NoError(t, err)
	require.Equal(t, []string{serial}, fell.Serials)
	require.Positive(t, fell.Number)
	entries := f.Audit("identity.revoke")
	require.Len(t, entries, 1)
	require.Equal(t, "officer/alice", entries[0].Actor)
	require.Equal(t, "127.0.0.1", entries[0].Address)
	require.NotEmpty(t, entries[0].RequestID)
	again, err := officer.Revoke(t.Context(), adminapi.RevokeRequest{Serial: serial})
	require.NoError(t, err)
	require.True(t, again.Already)

	for _, tt := range []struct {
		req    adminapi.RevokeRequest
		status int
		kind   string
	}{
		{adminapi.RevokeRequest{}, http.StatusBadRequest, api.ProblemMalformed},
		{adminapi.RevokeRequest{Identity: "device/pump-1", Serial: serial}, http.StatusBadRequest, api.ProblemMalformed},
		{adminapi.RevokeRequest{Serial: "xyz"}, http.StatusBadRequest, api.ProblemMalformed},
		{adminapi.RevokeRequest{Identity: "device/pump-1", Reason: "certificateHold"}, http.StatusBadRequest, api.ProblemMalformed},
		{adminapi.RevokeRequest{Identity: "device/nobody"}, http.StatusNotFound, api.ProblemNotFound},
		{adminapi.RevokeRequest{Serial: strings.Repeat("7", 32)}, http.StatusNotFound, api.ProblemNotFound},
		{adminapi.RevokeRequest{Identity: "ca/betonicad"}, http.StatusForbidden, api.ProblemDenied},
	} {
		_, err := officer.Revoke(t.Context(), tt.req)
		p := problem(t, err)
		require.Equal(t, tt.status, p.Status, "%+v", tt.req)
		require.Equal(t, tt.kind, p.Type, "%+v", tt.req)
	}
}

// Cutting takes what a suspended identity holds; a tombstone is a conflict.
func TestCut(t *testing.T) {
	f := serve(t, os.Getuid())
	officer := f.as("officer")
	f.enrolled("device", "pump-1")
	fell, err := officer.Cut(t.Context(), "device/pump-1", "")
	require.NoError(t, err)
	require.Len(t, fell.Serials, 1)
	require.Equal(t, store.Suspended, f.CA.Identity("device/pump-1").State)
	_, err = officer.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/pump-1"})
	require.NoError(t, err)
	_, err = officer.Cut(t.Context(), "device/pump-1", "")
	require.Equal(t, http.StatusConflict, problem(t, err).Status)
}
