package scep_test

import (
	"bytes"
	"crypto/fips140"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
)

// A key comes back as one was handed over: by PKCS #1 v1.5, which in FIPS 140-3 mode is an
// algorithm that is not taken and spends no token; or by OAEP, in each mode.
func TestTransport(t *testing.T) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	q.transport = pkcs7.OIDEncryptionAlgorithmRSA
	status, reason, certs := w.ask(q, false)
	if fips140.Enabled() {
		require.Equal(t, "2 0", status+" "+reason)
	} else {
		require.Equal(t, "0", status, reason)
		require.Equal(t, pkcs7.OIDEncryptionAlgorithmRSA, w.transport())
	}
	q.transport = pkcs7.OIDEncryptionAlgorithmRSAESOAEP
	status, reason, again := w.ask(q, false)
	require.Equal(t, "0", status, reason)
	require.Equal(t, pkcs7.OIDEncryptionAlgorithmRSAESOAEP, w.transport())
	if !fips140.Enabled() {
		require.Equal(t, certs[0].Raw, again[0].Raw)
	}
	q.kind, q.csr = "21", naming(t, again[0].RawIssuer, again[0].SerialNumber)
	status, reason, again = w.ask(q, false)
	require.Equal(t, "0", status, reason)
	require.Len(t, again, 2)
	require.Equal(t, pkcs7.OIDEncryptionAlgorithmRSAESOAEP, w.transport())
}

// transport is the way that the key of the last answer was handed over.
func (w *world) transport() asn1.ObjectIdentifier {
	w.t.Helper()
	var e struct {
		Type asn1.ObjectIdentifier
		Data struct {
			Version    int
			Recipients []struct {
				Version   int
				By        asn1.RawValue
				Algorithm struct {
					Algorithm  asn1.ObjectIdentifier
					Parameters asn1.RawValue `asn1:"optional"`
				}
				Key []byte
			} `asn1:"set"`
			Content asn1.RawValue
		} `asn1:"explicit,tag:0"`
	}
	_, err := asn1.Unmarshal(w.sealed, &e)
	require.NoError(w.t, err)
	require.Len(w.t, e.Data.Recipients, 1)
	return e.Data.Recipients[0].Algorithm.Algorithm
}

// What openssl encrypts by OAEP with SHA-256 is read, and with SHA-1 it is refused; where
// SHA-1 is MGF1's alone, which it leaves unsaid, it cannot be read.
func TestForeignOAEP(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		require.Empty(t, os.Getenv("CI"), "openssl is missing")
		t.Skip("left out: no openssl")
	}
	w := newWorld(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ra"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ra.Raw}), 0o600))
	encrypt := func(options ...string) func([]byte) []byte {
		return func([]byte) []byte {
			q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
			args := []string{"cms", "-encrypt", "-binary", "-outform", "DER", "-aes256", "-recip", "ra", "-keyopt", "rsa_padding_mode:oaep"}
			for _, o := range options {
				args = append(args, "-keyopt", o)
			}
			cmd := exec.CommandContext(t.Context(), "openssl", args...)
			cmd.Dir, cmd.Stdin = dir, bytes.NewReader(q.csr)
			out, err := cmd.Output()
			require.NoError(t, err)
			return out
		}
	}
	q := w.enrolment("")
	q.spoil = encrypt("rsa_oaep_md:sha1")
	status, reason, _ := w.ask(q, false)
	require.Equal(t, "2 0", status+" "+reason)
	q.spoil = encrypt("rsa_oaep_md:sha256", "rsa_mgf1_md:sha1")
	status, reason, _ = w.ask(q, false)
	require.Equal(t, "2 1", status+" "+reason)
	q.spoil = encrypt("rsa_oaep_md:sha256", "rsa_mgf1_md:sha256")
	status, reason, _ = w.ask(q, false)
	require.Equal(t, "0", status, reason)
}
