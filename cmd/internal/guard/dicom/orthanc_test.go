package dicom

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

const (
	studyFind = "1.2.840.10008.5.1.4.1.2.2.1"
	study     = "1.2.826.0.1.3680043.10.1.2" // of testdata
)

// orthanc starts an archive that answers queries and retrievals, and returns its address.
func orthanc(t *testing.T) string {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	config, err := json.Marshal(map[string]any{
		"Name": "guarded", "StorageDirectory": dir, "IndexDirectory": dir, "HttpServerEnabled": false, "Plugins": []string{},
		"DicomPort": port, "DicomAet": "ARCHIVE", "DicomCheckCalledAet": true, "ConcurrentJobs": 1,
		"DicomAlwaysAllowEcho": true, "DicomAlwaysAllowStore": true, "DicomAlwaysAllowFind": true, "DicomAlwaysAllowGet": true,
	})
	require.NoError(t, err)
	file := filepath.Join(dir, "orthanc.json")
	require.NoError(t, os.WriteFile(file, config, 0o600))
	return daemon(t, port, "Orthanc", "--verbose", file)
}

// Orthanc behind two guards: what is stored is found and retrieved by whom the rules
// let, the C-STOREs of the retrieval are on record, too, and a query that no rule allows
// is refused on an association that may echo.
func TestOrthanc(t *testing.T) {
	archive := orthanc(t)
	p := newPair(t, archive, storing, echoing,
		rule("read", allow.DICOMRule{Called: []string{"ARCHIVE"}, Calling: []string{"WS1"}, SOPClasses: []string{studyFind, studyGet, ctStorage}, Commands: []string{"C-FIND", "C-GET"}}))
	out, err := scu(t, "storescu", p.client.address, "-aet", "CT1", "--", image(t))
	require.NoError(t, err, out)

	out, err = scu(t, "findscu", p.client.address, "-aet", "WS1", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID="+study, "-k", "PatientID")
	require.NoError(t, err, out)
	require.Contains(t, out, "TEST-1")
	dir := t.TempDir()
	out, err = scu(t, "getscu", p.client.address, "-aet", "WS1", "-S", "-od", dir, "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID="+study)
	require.NoError(t, err, out)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 1, out)

	for _, g := range []*guarded{p.client, p.server} {
		found := g.journal.Nth(t, "C-FIND", 1)
		require.Equal(t, record.Allowed, found.Outcome)
		require.Greater(t, found.Out, found.In, "an answer with a data set, and the end")
		require.Equal(t, record.Allowed, g.journal.Nth(t, "C-GET", 1).Outcome)
	}
	here, there := p.client.journal.Nth(t, "C-STORE", 2), p.server.journal.Nth(t, "C-STORE", 2)
	require.Equal(t, "t1", there.Number)
	require.Equal(t, "read", there.Rule)
	require.Equal(t, []any{here.Link, here.Number, here.Request, here.Response}, []any{there.Link, there.Number, there.Request, there.Response})

	out, err = scu(t, "findscu", p.client.address, "-aet", "CT1", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID")
	require.Error(t, err)
	require.Contains(t, out, "Association Rejected")
	out, err = scu(t, "echoscu", p.client.address, "-aet", "CT1", "--repeat", strconv.Itoa(3))
	require.NoError(t, err, out)
}
