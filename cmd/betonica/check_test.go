package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/client/catest"
)

// check is 0 for a certificate that is good now and 1 for every other, and says
// why; the same on stdout and in JSON.
func TestCheck(t *testing.T) {
	ca, other := catest.NewIssuer(t, "hospital.example"), catest.NewIssuer(t, "hospital.example")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	key := func(own any) string {
		der, err := x509.MarshalPKCS8PrivateKey(own)
		require.NoError(t, err)
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	own := ca.Certificate(t, "device/SN-1", nil)
	late := ca.Leaf(t, own.Leaf.PublicKey, "device/SN-1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-3 * time.Hour) })
	early := ca.Leaf(t, own.Leaf.PublicKey, "device/SN-1", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(3*time.Hour + time.Minute) })
	roots, foreign := file("roots.pem", catest.PEM(ca.Root)), file("foreign.pem", catest.PEM(other.Root))
	good := file("cert.pem", "a comment\n"+catest.PEM(own.Leaf, ca.Intermediate))
	ownKey, otherKey := file("key.pem", key(own.PrivateKey)), file("other.pem", key(catest.NewKey(t)))
	for _, tt := range []struct {
		name string
		args []string
		want string // empty: valid
	}{
		{"good", []string{good}, ""},
		{"named", []string{good, "--roots", roots, "--key", ownKey}, ""},
		{"expired", []string{file("late.pem", catest.PEM(late, ca.Intermediate))}, "it ran out 3 h ago"},
		{"not yet", []string{file("early.pem", catest.PEM(early, ca.Intermediate))}, "it begins in 3 h; is the clock right?"},
		{"foreign root", []string{good, "--roots", foreign}, "unknown authority"},
		{"no intermediate", []string{file("alone.pem", catest.PEM(own.Leaf))}, "unknown authority"},
		{"other key", []string{good, "--key", otherKey}, "does not match"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newTool(t)
			r := x.run(append([]string{"check"}, tt.args...)...)
			var v verdict
			require.NoError(t, json.Unmarshal([]byte(x.run(append([]string{"check", "-o", "json"}, tt.args...)...).stdout), &v))
			require.Equal(t, tt.want == "", v.Valid)
			if tt.want == "" {
				require.Zero(t, r.code, r.stderr)
				require.Contains(t, r.stdout, "valid\n")
				return
			}
			require.Equal(t, exitFailed, r.code)
			require.Contains(t, r.stderr, tt.want)
			require.Contains(t, r.stdout, "not valid: ")
			require.Contains(t, v.Reason, tt.want)
		})
	}
	x := newTool(t)
	for _, path := range []string{file("empty", ""), file("text", "nothing"), filepath.Join(dir, "none"), ownKey} {
		r := x.run("check", path)
		require.Equal(t, exitFailed, r.code, path)
		require.Empty(t, r.stdout)
	}
	require.Equal(t, exitUsage, x.run("check", good, "--roots", filepath.Join(dir, "none")).code)
}

// No file makes check panic, and what it takes for certificates are some.
func FuzzCertificates(f *testing.F) {
	ca := catest.NewIssuer(f, "hospital.example")
	f.Add([]byte(catest.PEM(ca.Intermediate, ca.Root)))
	f.Add([]byte("text\n" + catest.PEM(ca.Root) + "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if all, err := certificates(text); err == nil {
			require.NotEmpty(t, all)
			for _, c := range all {
				require.NotNil(t, c.SerialNumber)
			}
		}
	})
}
