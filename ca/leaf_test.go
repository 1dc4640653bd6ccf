package ca_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// What we encode ourselves is byte for byte what crypto/x509 makes of a template
// that says the same.
func TestLeafEqualsX509(t *testing.T) {
	h := hierarchy()
	a := newAuthority(t, h, nil)
	policy := newPolicy(t, openPolicy+`
[role.sensor]
usages = ["client"]
lifetime = "1h"
[role.gateway]
dns = ["{name}.hospital.example", "gw.hospital.example"]
usages = ["server"]
lifetime = "700d"
`)
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	for _, tt := range []struct {
		name   string
		path   string
		key    crypto.Signer
		dns    []string
		ips    []string
		usages []x509.ExtKeyUsage
	}{
		{"P-256", "device/SN-1", p256Key(), []string{"a.hospital.example", "b.hospital.example"}, []string{"10.0.0.1", "fd00::1"}, both},
		{"P-384", "device/SN-2", p384Key(), nil, nil, both},
		{"Ed25519", "device/SN-3", ed25519Key(), nil, []string{"10.255.0.1"}, both},
		{"RSA-2048", "device/SN-4", rsa2048Key(), []string{"a.hospital.example"}, nil, both},
		{"name that is no PrintableString", "device/SN_5", p256Key(), nil, nil, both},
		{"client only", "sensor/x", p256Key(), nil, nil, both[:1]},
		{"RSA client only", "sensor/x", rsa2048Key(), nil, nil, both[:1]},
		{"RSA server only", "gateway/gw2", rsa2048Key(), nil, nil, both[1:]},
		{"server only", "gateway/gw1", p256Key(), []string{"gw.hospital.example", "gw1.hospital.example"}, nil, both[1:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ips []net.IP
			for _, s := range tt.ips {
				ips = append(ips, net.ParseIP(s))
			}
			req := newRequest(t, tt.key, x509.CertificateRequest{DNSNames: tt.dns, IPAddresses: ips})
			got, err := a.Issue(newGrant(t, policy, tt.path, req, time.Now()), accept)
			require.NoError(t, err)

			id := newID(t, tt.path)
			usage := x509.KeyUsageDigitalSignature
			if got.PublicKeyAlgorithm == x509.RSA && slices.Contains(tt.usages, x509.ExtKeyUsageServerAuth) {
				usage |= x509.KeyUsageKeyEncipherment
			}
			const base = "http://ca.hospital.example:8080"
			want := &x509.Certificate{
				SerialNumber: got.SerialNumber,
				NotBefore:    got.NotBefore,
				NotAfter:     got.NotAfter,
				Subject: pkix.Name{
					Organization: []string{trustDomain}, OrganizationalUnit: []string{id.Role()}, CommonName: id.Name(),
				},
				KeyUsage:              usage,
				ExtKeyUsage:           tt.usages,
				BasicConstraintsValid: true,
				SubjectKeyId:          got.SubjectKeyId,
				DNSNames:              tt.dns,
				IPAddresses:           ips,
				URIs:                  []*url.URL{id.URL()},
				OCSPServer:            []string{base + "/ocsp"},
				IssuingCertificateURL: []string{base + "/ca/" + a.IssuerID() + ".cer"},
				CRLDistributionPoints: []string{base + "/crl/" + a.IssuerID() + "/full.crl"},
			}
			encoded, err := x509.CreateCertificate(rand.Reader, want, h.Intermediate, tt.key.Public(), h.IntermediateKey)
			require.NoError(t, err)
			require.Equal(t, must(x509.ParseCertificate(encoded)).RawTBSCertificate, got.RawTBSCertificate)

			// The key identifier is crypto/x509's own, too: it makes one for a CA.
			want.SubjectKeyId, want.IsCA, want.KeyUsage = nil, true, x509.KeyUsageCertSign
			encoded, err = x509.CreateCertificate(rand.Reader, want, h.Intermediate, tt.key.Public(), h.IntermediateKey)
			require.NoError(t, err)
			require.Equal(t, must(x509.ParseCertificate(encoded)).SubjectKeyId, got.SubjectKeyId)

			require.Equal(t, tt.key.Public(), got.PublicKey)
			require.NoError(t, got.CheckSignatureFrom(h.Intermediate))
		})
	}
}

// Times from 2050 on are written in the other way that RFC 5280, Section 4.1.2.5
// wants, and read back as the same.
func TestLeafPast2050(t *testing.T) {
	now := func() time.Time { return time.Date(2049, 12, 31, 23, 59, 58, 0, time.UTC) }
	h, err := ca.Create(ca.CreateConfig{TrustDomain: trustDomain, Now: now})
	require.NoError(t, err)
	req := newRequest(t, p256Key(), x509.CertificateRequest{})
	leaf, err := newAuthority(t, h, now).Issue(newGrant(t, newPolicy(t, openPolicy), "device/SN-1", req, now()), accept)
	require.NoError(t, err)
	require.Equal(t, now().Add(24*time.Hour), leaf.NotAfter)
	again, err := x509.CreateCertificate(rand.Reader, leaf, h.Intermediate, leaf.PublicKey, h.IntermediateKey)
	require.NoError(t, err)
	require.Equal(t, must(x509.ParseCertificate(again)).RawTBSCertificate, leaf.RawTBSCertificate)
}

// Whatever kind of key an issuing certificate has, its leaves verify, and their
// algorithm identifiers are those that crypto/x509 writes.
func TestLeafUnderEveryIssuerKey(t *testing.T) {
	root := hierarchy()
	policy := newPolicy(t, openPolicy)
	for name, key := range map[string]crypto.Signer{
		"P-256": p256Key(), "P-384": p384Key(), "Ed25519": ed25519Key(), "RSA-2048": rsa2048Key(),
	} {
		t.Run(name, func(t *testing.T) {
			template := *root.Intermediate
			template.RawSubject, template.SubjectKeyId, template.PublicKey = nil, nil, nil
			template.SignatureAlgorithm = 0
			encoded, err := x509.CreateCertificate(rand.Reader, &template, root.Root, key.Public(), root.RootKey)
			require.NoError(t, err)
			h := &ca.Hierarchy{Root: root.Root, Intermediate: must(x509.ParseCertificate(encoded)), IntermediateKey: key}
			a := newAuthority(t, h, nil)
			req := newRequest(t, p256Key(), x509.CertificateRequest{})
			leaf, err := a.Issue(newGrant(t, policy, "device/SN-1", req, time.Now()), accept)
			require.NoError(t, err)
			require.NoError(t, leaf.CheckSignatureFrom(h.Intermediate))

			again, err := x509.CreateCertificate(rand.Reader, leaf, h.Intermediate, leaf.PublicKey, key)
			require.NoError(t, err)
			require.Equal(t, must(x509.ParseCertificate(again)).RawTBSCertificate, leaf.RawTBSCertificate)
		})
	}
	_, err := ca.New(ca.Config{Certificate: &x509.Certificate{PublicKey: p521Key().Public()}, Root: root.Root, Signer: p521Key(), URL: "http://ca.example"})
	require.Error(t, err)
}
