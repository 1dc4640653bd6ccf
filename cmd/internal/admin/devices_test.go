package admin_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// A list goes in through the API, line by line; what makes no sense as a request changes
// nothing.
func TestImportDevices(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	lines := []adminapi.ImportLine{{Serial: "SN-1", Owner: "icu", Site: "north", IPs: []string{"10.0.0.1"}}, {Serial: "SN-2", IPs: []string{"ten"}}}
	results, err := root.Import(t.Context(), adminapi.ImportRequest{Role: "device", Lines: lines})
	require.NoError(t, err)
	require.Equal(t, adminapi.ImportResult{Status: adminapi.LineImported, Identity: "device/SN-1"}, results[0])
	require.Equal(t, adminapi.LineRefused, results[1].Status)
	id, err := root.Identity(t.Context(), "device/SN-1")
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.1"}, id.IPs)
	require.Equal(t, "north", id.Site)

	for _, n := range []int{0, adminapi.MaxImport + 1} {
		_, err = root.Import(t.Context(), adminapi.ImportRequest{Role: "device", Lines: make([]adminapi.ImportLine, n)})
		require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	}
	_, err = root.Import(t.Context(), adminapi.ImportRequest{Role: "ca", Lines: lines})
	require.Equal(t, http.StatusForbidden, problem(t, err).Status)
}

// Those in doubt are listed, and the status counts them and says when machines fall.
func TestDoubtful(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	f.enrolled("device", "a")
	f.enrolled("device", "b")
	before, err := root.Status(t.Context())
	require.NoError(t, err)
	require.Nil(t, before.Survival)
	id, err := root.Attest(t.Context(), "device/a", adminapi.AttestRequest{Owner: "icu"})
	require.NoError(t, err)
	require.Equal(t, "icu", id.Owner)
	require.NoError(t, f.TendLives(t.Context()))

	page, err := root.Identities(t.Context(), adminapi.IdentityFilter{Doubt: "ownerless", Role: "device"}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "device/b", page.Items[0].Path)
	page, err = root.Identities(t.Context(), adminapi.IdentityFilter{Doubt: "unattested"}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	for _, bad := range []adminapi.IdentityFilter{{Doubt: "no"}, {Doubt: "dormant", State: "active"}} {
		_, err = root.Identities(t.Context(), bad, adminapi.PageRequest{})
		require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	}
	s, err := root.Status(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, s.Survival.All.Devices)
	require.NotZero(t, s.Survival.All.First)
}
