package guard_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/record"
)

const charting = `
[[allow]]
name = "vitals"
peers = ["device/pump-*"]
fhir = {interactions = ["create"], types = ["Observation"]}
`

// A program that knows nothing of TLS posts to an application that knows nothing of it
// either; each request is signed, judged as FHIR and on record at both ends.
func TestHTTPSigned(t *testing.T) {
	w := newWorld(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
		io.WriteString(w, r.Header.Get("Betonica-Identity"))
	}))
	defer app.Close()
	server := w.guard("service/ehr", charting, guard.Route{Name: "fhir", Listen: "127.0.0.1:0", Backend: app.URL, FHIR: "/fhir", Signed: true})
	client := w.guard("device/pump-1", charting, guard.Route{
		Name: "out", Listen: "127.0.0.1:0", Connect: "https://" + server.Address("fhir").String(), Expect: []string{"spiffe://test.example/service/ehr"}, IDOnly: true, Signed: true,
	})
	url := "http://" + client.Address("out").String() + "/fhir/"
	response, err := http.Post(url+"Observation", "application/fhir+json", strings.NewReader("{}"))
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, "{}spiffe://test.example/device/pump-1", string(body))
	a, b := client.records.outcome(record.Allowed), server.records.outcome(record.Allowed)
	require.Equal(t, []any{record.FHIR, "create", "Observation", "vitals"}, []any{b.Protocol, b.Operation, b.Resource, b.Rule})
	require.Equal(t, []any{a.Link, a.Number, a.Request, a.Response}, []any{b.Link, b.Number, b.Request, b.Response})

	response, err = http.Get(url + "Patient/smith-1")
	require.NoError(t, err)
	response.Body.Close()
	require.Equal(t, http.StatusForbidden, response.StatusCode)
	refused := server.records.outcome(record.Refused)
	require.Equal(t, []any{"read", "Patient"}, []any{refused.Operation, refused.Resource})
}
