package server

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// Every URL that stands in our certificates answers: a peer that follows them
// finds the lists and the responder. A base64 path with "//" in it is answered,
// not redirected.
func TestRevocationURLs(t *testing.T) {
	f := newServer(t, nil)
	for path, media := range map[string]string{
		"/crl/" + f.Issuers.Current().IssuerID() + "/full.crl":  "application/pkix-crl",
		"/crl/" + f.Issuers.Current().IssuerID() + "/delta.crl": "application/pkix-crl",
		"/crl/" + f.Issuers.Current().IssuerID() + "/poll":      "application/pkix-crl",
		"/crl/" + f.Issuers.RootID() + "/full.crl":              "application/pkix-crl",
		"/chain.crl.pem": "application/x-pem-file",
		"/ca/" + f.Issuers.Current().IssuerID() + ".cer": "application/pkix-cert",
	} {
		resp, body := f.get(f.urls.http + path)
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Equal(t, media, resp.Header.Get("Content-Type"), path)
		require.NotEmpty(t, body, path)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Get(f.urls.http + "/ocsp/AA//AA==")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, ocsp.Malformed.Response(), body)
}

// Stopping does not wait for streams, which never end by themselves.
func TestStopEndsStreams(t *testing.T) {
	f := newServer(t, nil)
	resp, err := http.Get(f.urls.http + "/crl/" + f.Issuers.Current().IssuerID() + "/stream")
	require.NoError(t, err)
	defer resp.Body.Close()
	f.stop()
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err, "it ends, and is not cut")
	require.NoError(t, f.ended())
}

// Times and sizes of the configuration have bounds, and the error has their names and
// where they stand.
func TestConfigBounds(t *testing.T) {
	for text, want := range map[string]string{
		"[crl]\nheartbeat = \"1ms\"":  "crl.heartbeat",
		"[crl]\nlifetime = \"9999h\"": "crl.lifetime",
		"[crl]\nlifetime = \"soon\"":  "soon",
		"[crl]\nlifetime = 5":         "betonica.toml:2",
		"[ocsp]\nlifetime = \"1s\"":   "betonica.toml:2:1: ocsp.lifetime is 1s",
		"[ocsp]\ncache = 1":           "betonica.toml:2:1: ocsp.cache is 1 bytes",
		"ocsp.cache = 1\n[crl]\n":     "betonica.toml:1:1: ocsp.cache is 1 bytes",
		"[crl]\nlifetime = \"2h\"\n[backup]\nmax_age = \"1s\"\nrecipients = [\n\"age1\",\n]\n[ocsp]\ncache = 1\nlifetime = \"25h\"": "betonica.toml:10:1: ocsp.lifetime is 25h0m0s",
		"[ocsp]\ncache = 1\n\n[backup]\nmax_age = \"1s\"": "betonica.toml:2:1: ocsp.cache is 1 bytes; it must be from 65536 to 68719476736\nbetonica.toml:5:1: backup.max_age is 1s",
		"[acme]\nenabled = true\nallow_networks = []":     "betonica.toml:3:1: acme.allow_networks is empty",
		"[acme]\n# http_port = 1\nhttp_port = 65536":      "betonica.toml:3:1: acme.http_port is 65536",
		"[ocsp]\ncash = 1": "betonica.toml:2:1",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600))
		_, err := ReadConfig(dir)
		require.Error(t, err, text)
		said := strings.ReplaceAll(err.Error(), dir+"/", "")
		require.Contains(t, said, want, text)
	}
}
