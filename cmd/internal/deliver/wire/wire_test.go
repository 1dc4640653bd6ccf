package wire_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
)

// receiver answers with the name in the certificate that it was shown.
func receiver(t *testing.T, c *tls.Config) (url string) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/", http.StatusTemporaryRedirect)
			return
		}
		for _, cert := range r.TLS.PeerCertificates {
			io.WriteString(w, cert.Subject.CommonName)
		}
	}))
	s.TLS = c
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func get(t *testing.T, c *http.Client, url string) (status int, text string, err error) {
	t.Helper()
	defer c.CloseIdleConnections()
	resp, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b), nil
}

// A receiver is believed only if an authority of the file vouches for the name that was
// asked for; it sees our certificate, and the next one as soon as the files hold that.
func TestClient(t *testing.T) {
	ours, foreign := wiretest.New(t), wiretest.New(t)
	url := receiver(t, ours.Server(ours.Issue("siem.hospital.example"), true))
	first, second := ours.Issue("first"), ours.Issue("second")
	good := wire.TLS{CAFile: ours.CAFile, ServerName: "siem.hospital.example", CertFile: first.CertFile, KeyFile: first.KeyFile}
	c := wire.Client(good, time.Minute)
	_, name, err := get(t, c, url)
	require.NoError(t, err)
	require.Equal(t, "first", name)
	for from, to := range map[string]string{second.CertFile: first.CertFile, second.KeyFile: first.KeyFile} {
		require.NoError(t, os.Rename(from, to))
	}
	_, name, err = get(t, c, url)
	require.NoError(t, err)
	require.Equal(t, "second", name)

	status, _, err := get(t, c, url+"/away")
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, status, "it goes where it was sent, and nowhere else")

	for want, change := range map[string]func(*wire.TLS){
		"unknown authority":         func(c *wire.TLS) { c.CAFile = foreign.CAFile },
		"certificate is valid for":  func(c *wire.TLS) { c.ServerName = "evil.example" },
		"cannot validate":           func(c *wire.TLS) { c.ServerName = "" }, // 127.0.0.1
		"signed by unknown":         func(c *wire.TLS) { c.CAFile = "" },
		"certificate required":      func(c *wire.TLS) { c.CertFile, c.KeyFile = "", "" },
		"unknown certificate autho": func(c *wire.TLS) { p := foreign.Issue("x"); c.CertFile, c.KeyFile = p.CertFile, p.KeyFile },
	} {
		bad := good
		change(&bad)
		_, _, err := get(t, wire.Client(bad, time.Minute), url)
		require.ErrorContains(t, err, want)
	}
}

// Where TLS 1.3 is not to be had, it takes a word of the operator's to go on with 1.2, and
// none goes on with less, or without forward secrecy.
func TestVersions(t *testing.T) {
	a := wiretest.New(t)
	pair := a.Issue("127.0.0.1")
	for _, tt := range []struct {
		min, max uint16
		suites   []uint16
		ok       bool
	}{
		{0, tls.VersionTLS13, nil, true},
		{0, tls.VersionTLS12, nil, false},
		{tls.VersionTLS12, tls.VersionTLS12, nil, true},
		{tls.VersionTLS12, tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}, false},
		{tls.VersionTLS10, tls.VersionTLS11, nil, false},
	} {
		s := a.Server(pair, false)
		s.MinVersion, s.MaxVersion, s.CipherSuites = tls.VersionTLS10, tt.max, tt.suites
		_, _, err := get(t, wire.Client(wire.TLS{CAFile: a.CAFile, MinVersion: tt.min}, time.Minute), receiver(t, s))
		require.Equal(t, tt.ok, err == nil, "%x %x: %v", tt.min, tt.max, err)
	}
}

// A file that cannot be used says so by itself, before a receiver says something vague.
func TestFiles(t *testing.T) {
	a := wiretest.New(t)
	good := a.Issue("x")
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600))
	open := a.Issue("x")
	require.NoError(t, os.Chmod(open.KeyFile, 0o604))
	old, early := a.IssueUntil("x", time.Now().Add(-time.Minute)), a.IssueUntil("x", time.Now().Add(24*time.Hour))
	for want, c := range map[string]wire.TLS{
		"no such file":           {CAFile: garbage + "2"},
		"no certificate in PEM":  {CAFile: garbage},
		"longer than":            {CAFile: "/dev/zero"},
		"go together":            {CertFile: good.CertFile},
		"does not match":         {CertFile: good.CertFile, KeyFile: old.KeyFile},
		"has mode 0604":          {CertFile: open.CertFile, KeyFile: open.KeyFile},
		"has expired":            {CertFile: old.CertFile, KeyFile: old.KeyFile},
		"is not valid before 20": {CertFile: early.CertFile, KeyFile: early.KeyFile},
	} {
		_, err := c.Config("x")
		require.ErrorContains(t, err, want)
	}
}

// A secret is one line, for us alone, that fits into a header; and what it is, no error says.
func TestSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{
		"correct horse\n": "", "x\r\n": "", "": "is empty", "\n": "is empty",
		"canary\nline": "more than one line", "canary\x00": "not printable", "canary\u00fc": "not printable",
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		secret, err := wire.Secret(file)
		if want != "" {
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "canary")
			continue
		}
		require.NoError(t, err)
		require.Contains(t, []string{"correct horse", "x"}, string(secret))
	}
	require.NoError(t, os.Chmod(file, 0o644))
	_, err := wire.Secret(file)
	require.ErrorContains(t, err, "has mode 0644")
}
