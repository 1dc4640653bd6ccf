package ca_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// openssl runs the witness; without it the test is left out, but not in CI.
func openssl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func writePEM(t *testing.T, name string, cert *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// OpenSSL, asked to be strict, accepts the chain of every kind of leaf, for its
// purposes and names and no others, with constraints critical or not.
func TestOpenSSLVerifies(t *testing.T) {
	policy := newPolicy(t, openPolicy)
	for name, critical := range map[string]bool{"constraints": false, "critical constraints": true} {
		h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, CriticalConstraints: critical})
		require.NoError(t, err)
		a := newAuthority(t, h, nil)
		root, intermediate := writePEM(t, "root.pem", h.Root), writePEM(t, "ca.pem", h.Intermediate)
		for kind, key := range map[string]crypto.Signer{
			"P-256": p256Key(), "P-384": p384Key(), "Ed25519": ed25519Key(), "RSA-2048": rsa2048Key(),
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				req := newRequest(t, key, x509.CertificateRequest{
					DNSNames: []string{"sn-1.hospital.example"}, IPAddresses: []net.IP{{10, 0, 0, 1}},
				})
				cert, err := a.Issue(newGrant(t, policy, "device/SN-1", req, time.Now()), accept)
				require.NoError(t, err)
				leaf := writePEM(t, "leaf.pem", cert)
				verify := func(args ...string) error {
					out, err := openssl(t, append(append([]string{"verify", "-x509_strict", "-CAfile", root, "-untrusted", intermediate}, args...), leaf)...)
					t.Log(out)
					return err
				}
				require.NoError(t, verify("-purpose", "sslclient"))
				require.NoError(t, verify("-purpose", "sslserver", "-verify_hostname", "sn-1.hospital.example", "-verify_ip", "10.0.0.1"))
				require.Error(t, verify("-verify_hostname", "sn-2.hospital.example"))
				require.Error(t, verify("-purpose", "smimesign"))
				_, err = openssl(t, "verify", "-CAfile", intermediate, leaf)
				require.Error(t, err, "without the root")
			})
		}
	}
}

// OpenSSL prints of a leaf what we mean it to say.
func TestOpenSSLReads(t *testing.T) {
	a := newAuthority(t, hierarchy(), nil)
	req := newRequest(t, rsa2048Key(), x509.CertificateRequest{DNSNames: []string{"sn-1.hospital.example"}, IPAddresses: []net.IP{{10, 0, 0, 1}}})
	cert, err := a.Issue(newGrant(t, newPolicy(t, openPolicy), "device/SN_1", req, time.Now()), accept)
	require.NoError(t, err)
	text, err := openssl(t, "x509", "-in", writePEM(t, "leaf.pem", cert), "-noout", "-text")
	require.NoError(t, err)
	for _, want := range []string{
		"Version: 3 (0x2)",
		"Signature Algorithm: ecdsa-with-SHA256",
		"Issuer: O = hospital.example, CN = Issuing CA " + a.IssuerID()[:8],
		"Subject: O = hospital.example, OU = device, CN = SN_1",
		"X509v3 Key Usage: critical\n                Digital Signature, Key Encipherment\n",
		"X509v3 Extended Key Usage: \n                TLS Web Client Authentication, TLS Web Server Authentication\n",
		"X509v3 Basic Constraints: critical\n                CA:FALSE\n",
		"DNS:sn-1.hospital.example, IP Address:10.0.0.1, URI:spiffe://hospital.example/device/SN_1",
		"OCSP - URI:http://ca.hospital.example:8080/ocsp",
		"CA Issuers - URI:http://ca.hospital.example:8080/ca/" + a.IssuerID() + ".cer",
		"URI:http://ca.hospital.example:8080/crl/" + a.IssuerID() + "/full.crl",
	} {
		require.Contains(t, text, want)
	}
	text, err = openssl(t, "x509", "-in", writePEM(t, "ca.pem", a.Certificate()), "-noout", "-text")
	require.NoError(t, err)
	for _, want := range []string{
		"X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign\n",
		"X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0\n",
		"X509v3 Name Constraints: \n                Permitted:\n                  URI:hospital.example\n",
	} {
		require.Contains(t, text, want)
	}
}
