package admin_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store/audit"
)

// The log is listed, the newest first, by each of its filters.
func TestAudit(t *testing.T) {
	f := serve(t, os.Getuid())
	begin := time.Now().Add(-time.Minute)
	f.enrolled("device", "SN-1")
	f.enrolled("device", "SN-2")
	root := f.root()
	for _, tt := range []struct {
		filter adminapi.AuditFilter
		want   []string // subjects
	}{
		{adminapi.AuditFilter{Action: "certificate.issue"}, []string{"device/SN-2", "device/SN-1", "ca/betonicad"}},
		{adminapi.AuditFilter{Action: "certificate.issue", Subject: "device/SN-1"}, []string{"device/SN-1"}},
		{adminapi.AuditFilter{Actor: "device/SN-2"}, []string{"device/SN-2"}},
		{adminapi.AuditFilter{Action: "certificate.issue", Since: time.Now().Add(time.Hour)}, nil},
		{adminapi.AuditFilter{Action: "certificate.issue", Until: begin}, nil},
	} {
		page, err := root.Audit(t.Context(), tt.filter, adminapi.PageRequest{})
		require.NoError(t, err)
		var got []string
		for _, e := range page.Items {
			got = append(got, e.Subject)
			require.Equal(t, "ok", e.Outcome)
			require.NotEmpty(t, e.Hash)
		}
		require.Equal(t, tt.want, got, "%+v", tt.filter)
	}
}

// Who reads the log is on record with each page that he was given, whatever he looks for in
// it, and a page shows those that were asked for before it.
func TestAuditShowsReadersBefore(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	filter := adminapi.AuditFilter{Action: "audit.read"}
	for n := range 4 {
		page, err := root.Audit(t.Context(), filter, adminapi.PageRequest{Limit: 2})
		require.NoError(t, err)
		require.Len(t, page.Items, min(n, 2))
		require.Equal(t, n > 2, page.Next != "")
		require.Len(t, f.Audit("audit.read"), n+1)
	}
}

// An export verifies by itself under the log's key, whole or in part; before the
// first checkpoint there is nothing to export.
func TestExport(t *testing.T) {
	f := serve(t, os.Getuid())
	root := f.root()
	var bundle bytes.Buffer
	require.Contains(t, problem(t, root.ExportAudit(t.Context(), adminapi.ExportRange{}, &bundle)).Detail, "checkpoint")

	f.enrolled("device", "SN-1")
	signed, err := f.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	f.enrolled("device", "SN-2") // behind the checkpoint
	key, err := f.Store.VerifierKey()
	require.NoError(t, err)
	for _, r := range []adminapi.ExportRange{{}, {From: 2, To: 3}, {From: 2}} {
		bundle.Reset()
		require.NoError(t, root.ExportAudit(t.Context(), r, &bundle))
		report, err := audit.VerifyBundle(bytes.NewReader(bundle.Bytes()), key)
		require.NoError(t, err)
		require.Equal(t, max(r.From, 1), report.First)
		if r.To == 0 {
			r.To = signed.Size
		}
		require.Equal(t, r.To, report.Last)
		require.Equal(t, signed.Size, report.Proved)
	}
	_, err = audit.VerifyBundle(bytes.NewReader(bytes.Replace(bundle.Bytes(), []byte("SN-1"), []byte("SN-9"), 1)), key)
	require.Error(t, err)
}
