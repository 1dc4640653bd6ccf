package admin_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
)

// A report comes in events: its run, its files, and an end without which it is none. The
// run is on record with who asked for it.
func TestCompliance(t *testing.T) {
	f := serve(t, os.Getuid())
	_, err := f.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	officer := f.as("officer")
	var run compliance.Run
	dir := fstest.MapFS{}
	take := func(e adminapi.ComplianceEvent) error {
		switch {
		case e.Run != nil:
			return json.Unmarshal(e.Run, &run)
		case e.File != nil:
			dir[e.File.Name] = &fstest.MapFile{Data: e.File.Text}
		}
		return nil
	}
	require.NoError(t, officer.ReportCompliance(t.Context(), "hipaa-nprm", take))
	require.Equal(t, "hipaa-nprm", run.Profile)
	c, err := pack.Verify(dir, "")
	require.NoError(t, err)
	require.Positive(t, c.Entries)
	entries := f.Audit("compliance.run")
	require.Len(t, entries, 1)
	require.Equal(t, "officer/alice", entries[0].Actor)
	require.NotEmpty(t, entries[0].RequestID)

	stop := errors.New("enough")
	require.ErrorIs(t, officer.CheckCompliance(t.Context(), "", func(e adminapi.ComplianceEvent) error { return stop }), stop)
	require.Equal(t, 400, problem(t, officer.CheckCompliance(t.Context(), "gdpr", take)).Status)

	a, err := officer.AttestCompliance(t.Context(), adminapi.AttestationRequest{Check: "308-07", Word: "done", For: adminapi.Duration(48 * time.Hour)})
	require.NoError(t, err)
	require.True(t, a.Expires.After(f.Now().Add(47*time.Hour)))
	_, err = f.root().AttestCompliance(t.Context(), adminapi.AttestationRequest{Check: "308-07", Word: "done", For: adminapi.Duration(48 * time.Hour)})
	require.Contains(t, problem(t, err).Detail, "nobody in particular")
}
