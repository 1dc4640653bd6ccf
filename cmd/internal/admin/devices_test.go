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
