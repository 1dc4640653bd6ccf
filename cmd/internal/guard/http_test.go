package guard_test

import (
	"bufio"
	"crypto"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
	"github.com/betonica/betonica/cmd/internal/guard/sign"
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

// A signed request that was let in once is not again, also after a reload has made another
// route of the one that it came by.
func TestHTTPReplay(t *testing.T) {
	w := newWorld(t)
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer app.Close()
	const all = "[[allow]]\nname = \"all\"\npeers = [\"device/pump-*\"]\nhttp = {}\n"
	server := w.guard("service/ehr", all, guard.Route{Name: "web", Listen: "127.0.0.1:0", Backend: app.URL, Signed: true})
	pump := w.ca.Identity("device/pump-1")
	const nonce = "AAAAAAAAAAAAAAAAAAAAAA"
	m := sign.Message{Method: "GET", Authority: "a", Path: "/", Header: http.Header{"Betonica-Record": {nonce}}}
	by := pump.Certificate()
	_, err := sign.Sign(m, sign.Input{
		Components: []string{"@method", "@authority", "@path", "@query"}, Nonce: nonce, KeyID: fmt.Sprintf("%032x", by.Leaf.SerialNumber),
	}, by.PrivateKey.(crypto.Signer), time.Now())
	require.NoError(t, err)
	send := func() int {
		c := server.dial("web", pump)
		defer c.Close()
		var b strings.Builder
		b.WriteString("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n")
		require.NoError(t, m.Header.Write(&b))
		_, err := io.WriteString(c, b.String()+"\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		answer.Body.Close()
		return answer.StatusCode
	}
	require.Equal(t, http.StatusOK, send())
	next := server.conf
	next.Routes = []guard.Route{server.conf.Routes[0]}
	next.Routes[0].Idle = guard.Of(time.Hour)
	require.NoError(t, server.Reload(t.Context(), next))
	require.Equal(t, http.StatusUnauthorized, send())
}
