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

// Times and sizes of the configuration have bounds, and their names are in the
// error.
func TestConfigBounds(t *testing.T) {
	for text, want := range map[string]string{
		"[crl]\nheartbeat = \"1ms\"":  "crl.heartbeat",
		"[crl]\nlifetime = \"9999h\"": "crl.lifetime",
		"[crl]\nlifetime = \"soon\"":  "soon",
		"[crl]\nlifetime = 5":         "betonica.toml:2",
		"[ocsp]\nlifetime = \"1s\"":   "ocsp.lifetime",
		"[ocsp]\ncache = 1":           "ocsp.cache",
		"[ocsp]\ncash = 1":            "betonica.toml:2:1",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600))
		_, err := ReadConfig(dir)
		require.Error(t, err, text)
		require.True(t, strings.Contains(err.Error(), want), "%s: %v", text, err)
	}
}
