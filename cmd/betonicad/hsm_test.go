package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/store"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// hsm makes a token of SoftHSM's, and returns its folder and a reference to a key in
// it.
func hsm(t *testing.T, object string) (dir, ref string) {
	t.Helper()
	parent := t.TempDir()
	dir, pinFile, conf := filepath.Join(parent, "tokens"), filepath.Join(parent, "pin"), filepath.Join(parent, "softhsm2.conf")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"\nlog.level = ERROR\n"), 0o600))
	require.NoError(t, os.WriteFile(pinFile, []byte("87654321\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	command(t, "softhsm2-util", "--init-token", "--free", "--label", "ca", "--so-pin", "87654321", "--pin", "87654321")
	return dir, "pkcs11:module-path=" + softHSM + ";token=ca;object=" + object + "?pin-source=file:" + pinFile
}

// A CA whose intermediate's key was made in an HSM is made, served, served again and
// rotated, and no file has that key; its PIN is nowhere but in its file.
func TestHSM(t *testing.T) {
	_, ref := hsm(t, "issuing")
	dir := newCA(t, "--ca-key", ref)
	require.NoFileExists(t, layout(dir).key())
	d := start(t, dir)
	m := newMachine(t, d)
	chain, _ := m.enrol("device", "SN-1")
	command(t, "openssl", "verify", "-CAfile", m.root, "-untrusted", chain, chain)
	issuer := layout(dir).intermediate()
	_, err := d.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/SN-1"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		status, err := ocspOf(t, m, issuer, chain)
		return err == nil && strings.Contains(status, "revoked")
	}, time.Minute, 10*time.Millisecond)
	list := m.file("list")
	cert, err := readCertificate(issuer)
	require.NoError(t, err)
	command(t, "curl", "-sSf", "-o", list, fmt.Sprintf("http://%s/crl/%x/full.crl", d.HTTP, cert.SubjectKeyId))
	command(t, "openssl", "crl", "-inform", "DER", "-in", list, "-noout", "-CAfile", issuer)
	require.NoError(t, d.stop())
	_, _, err = try(t, "audit", "verify", "--dir", dir)
	require.NoError(t, err)

	_, stderr, err := try(t, "rotate", "--dir", dir, "--root-key", dir+".root/root.key", "--overlap", "0s")
	require.NoError(t, err)
	require.Contains(t, stderr, "made a key in the token")
	d = start(t, dir)
	newMachine(t, d).enrol("device", "SN-2")
	s, err := d.Status(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Issuers, 2)
	require.NoError(t, d.stop())

	root := filepath.Dir(dir)
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NotContains(t, string(text), "87654321", path)
		return err
	}))
	require.NotContains(t, d.log.String(), "87654321")
}

// While the HSM is away nothing is issued, and everybody hears why; OCSP goes on with
// a key of its own. When it is back, so is the daemon.
func TestHSMAway(t *testing.T) {
	tokens, ref := hsm(t, "issuing")
	dir := newCA(t, "--ca-key", ref)
	d := start(t, dir)
	m := newMachine(t, d)
	chain, _ := m.enrol("device", "SN-1")
	issuer := layout(dir).intermediate()
	ready := func() string { return command(t, "curl", "-sS", "http://"+d.Ops+"/readyz") }
	require.Equal(t, "ok\n", ready())

	require.NoError(t, os.Rename(tokens, tokens+".away"))
	token, err := d.CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-2"})
	require.NoError(t, err)
	_, csr := m.csr("SN-2")
	ask := func() (string, string) {
		return m.curl("/v1/enroll", "-H", "Authorization: Bearer "+token.Secret, "--data-binary", "@"+csr)
	}
	require.Eventually(t, func() bool {
		status, body := ask()
		return status == "503" && strings.Contains(body, "cannot be reached")
	}, time.Minute, 10*time.Millisecond)
	require.Contains(t, ready(), store.TroubleHSM.String())
	r := examined(t, layout(dir), 0)
	requireFinding(t, r, "keys", doctor.Failed, "hsm: the intermediate ", store.TroubleHSM.Remedy())
	require.Len(t, found(t, r, "keys").Findings, 1, "what else there is does not lie in the HSM")
	require.Equal(t, doctor.OK, found(t, r, "store").State)
	status, err := ocspOf(t, m, issuer, chain)
	require.NoError(t, err)
	require.Contains(t, status, "good")

	require.NoError(t, os.Rename(tokens+".away", tokens))
	require.Eventually(t, func() bool { return !strings.Contains(ready(), string(store.TroubleHSM)) }, time.Minute, 10*time.Millisecond)
	code, body := ask()
	require.Equal(t, "201", code, "the token was not spent: %s", body)
}

// A reference that says a PIN is refused without showing it, and so is a key that
// cannot issue; a CA on files moves to an HSM when it is rotated.
func TestHSMReferences(t *testing.T) {
	_, ref := hsm(t, "issuing")
	dir := filepath.Join(t.TempDir(), "ca")
	_, stderr, err := try(t, "init", "--dir", dir, "--trust-domain", "hospital.example", "--ca-key", "pkcs11:token=ca;object=x?pin-value=87654321")
	require.ErrorContains(t, err, "pin-source=file:PATH")
	require.NotContains(t, err.Error()+stderr, "87654321")
	require.NoDirExists(t, dir)

	dir = newCA(t)
	_, _, err = try(t, "rotate", "--dir", dir, "--root-key", dir+".root/root.key", "--overlap", "0s", "--ca-key", ref)
	require.NoError(t, err)
	d := start(t, dir)
	newMachine(t, d).enrol("device", "SN-1")
}

// ocspOf asks for a certificate's status with openssl.
func ocspOf(t *testing.T, m *machine, issuer, cert string) (string, error) {
	out, err := exec.Command("openssl", "ocsp", "-issuer", issuer, "-cert", cert, "-url", "http://"+m.d.HTTP+"/ocsp", "-CAfile", m.root).CombinedOutput()
	return string(out), err
}
