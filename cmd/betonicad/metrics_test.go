package main_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/peer"
)

// The package doc lists every metric of ours, and no other: here it is held to what a
// daemon tells after it has done everything once. Alert rules and dashboard look at
// nothing else, and promtool finds no fault with the names.
func TestMetrics(t *testing.T) {
	t.Parallel()
	text := busy(t).metrics(t)
	listed := names(`(?m)^//\t(betonica_\w+)  +\S`, read(t, "../internal/server/doc.go"))
	told := names(`(?m)^# TYPE (betonica_\w+) `, []byte(text))
	require.NotEmpty(t, told)
	require.Equal(t, told, listed)

	for _, pattern := range []string{ // it was all counted, once
		`betonica_certificates_issued_total\{method="token"\} 3`, `betonica_refusals_total\{reason="token"\} 1`,
		`betonica_revocation_publish_seconds_count 1`, `betonica_ocsp_answers_total\{how="miss"\} 1`, `betonica_ocsp_answers_total\{how="hit"\} 1`, `betonica_ocsp_answers_total\{how="lapsed"\} 0`,
		`betonica_rotation_state\{state="\w+"\} 1`, `betonica_certificate_not_after_timestamp_seconds\{certificate="root-ocsp",issuer="[0-9a-f]{40}"\} \d`,
		`betonica_trouble\{trouble="disk-full"\} 0`, `betonica_store_file_bytes\{file="ballast"\} [1-9]`, `betonica_backup_timestamp_seconds 0`,
		`betonica_ready 1`, `betonica_crl_number\{issuer="[0-9a-f]{40}",kind="root"\} 2`,
	} {
		require.Regexp(t, `(?m)^`+pattern, text)
	}
	t.Run("monitored", func(t *testing.T) { monitored(t, text) })
	t.Run("promtool", func(t *testing.T) { promtool(t, text, "check", "metrics") })
}

// names returns what the pattern's group finds, each once.
func names(pattern string, text []byte) []string {
	var all []string
	for _, found := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		all = append(all, string(found[1]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// metrics returns what the daemon tells.
func (d *daemon) metrics(t testing.TB) string {
	t.Helper()
	resp, err := http.Get("http://" + d.Ops + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

// busy returns a daemon that has issued, refused, revoked, answered OCSP and been told
// what a peer enforces, after its intermediate was rotated.
func busy(t *testing.T) *daemon {
	dir := newCA(t)
	policy := filepath.Join(dir, "policy.toml")
	text := append(read(t, policy), "\n[role.asker]\nmethods = [\"approval\", \"renew\"]\n"...)
	require.NoError(t, os.WriteFile(policy, text, 0o600))
	config := filepath.Join(dir, "betonica.toml")
	require.NoError(t, os.WriteFile(config, append(read(t, config), "\n[deliver.file]\npath = \"audit.jsonl\"\n"...), 0o600))
	d := serve(t, dir)
	roots, admin := rootsOf(t, dir), d.admin(t)
	run(t, "betonicad", rotateArgs(dir)...)
	d.signal(syscall.SIGHUP)
	require.Eventually(t, func() bool {
		s, err := admin.Status(t.Context())
		return err == nil && s.Rotation != nil
	}, patience, 10*time.Millisecond)

	c, err := dial(d.HTTPS, roots)
	require.NoError(t, err)
	defer c.Close()
	status, _, err := c.post(api.PathEnroll, "bt1.not.a-token", newRequest(t).csr)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)
	var party *still
	var leaf *x509.Certificate
	for i := range 3 {
		name := fmt.Sprintf("pump-%d", i)
		token, err := admin.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
		require.NoError(t, err)
		e := enrolment{request: newRequest(t), token: token.Secret}
		status, chain, err := c.post(api.PathEnroll, e.token, e.csr)
		require.NoError(t, expect(http.StatusCreated)(status, chain, err))
		cert, err := e.certificate(chain)
		require.NoError(t, err)
		party, leaf = &still{&cert, roots}, cert.Leaf
		if leaf == nil {
			leaf, err = x509.ParseCertificate(cert.Certificate[0])
			require.NoError(t, err)
		}
	}
	p, err := peer.Open(t.Context(), peer.Config{
		Source: party, URL: "http://" + d.HTTP, Report: "https://" + d.HTTPS, State: t.TempDir(),
		Allow: []string{"spiffe://" + trustDomain + "/device/*"}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close() })
	_, err = admin.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/pump-0"})
	require.NoError(t, err)

	issuer, err := x509.ParseCertificate(party.Certificate().Certificate[1])
	require.NoError(t, err)
	question, err := ocsp.CreateRequest(leaf, issuer, nil)
	require.NoError(t, err)
	for range 2 {
		resp, err := http.Post("http://"+d.HTTP+"/ocsp", "application/ocsp-request", bytes.NewReader(question))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	require.Eventually(t, func() bool {
		text := d.metrics(t)
		return strings.Contains(text, "betonica_relying_party_lag{") && strings.Contains(text, "betonica_revocation_publish_seconds_count 1")
	}, patience, 10*time.Millisecond)
	return d
}
