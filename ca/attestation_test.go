package ca_test

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

const tpmPolicy = "[role.pump]\nmethods = ['token', 'renew', 'acme', 'tpm']\nproofs = 2\nnetworks = ['10.0.0.0/8']\nkeys = ['P-256']\n"

var testTPM = ca.TPM{Manufacturer: "id:54455354", Model: "swtpm", Version: "id:00010001"}

// What an attestation key is given is good for attestations: it has no subject, no
// name that TLS knows, and no usage of TLS, so that no verifier takes it for a machine.
func TestAttestationCertificate(t *testing.T) {
	a := newAuthority(t, hierarchy(), nil)
	for _, key := range []crypto.Signer{rsa2048Key(), p256Key(), p384Key()} {
		req, err := ca.AttestationRequest(key.Public(), testTPM)
		require.NoError(t, err)
		id := ca.Identity{ID: newID(t, "pump/SN-1"), Revision: 1, Method: ca.MethodTPM, Source: netip.MustParseAddr("10.1.2.3")}
		grant, err := newPolicy(t, tpmPolicy).Decide(id, req, time.Now())
		require.NoError(t, err)
		require.True(t, grant.Attestation())
		cert, err := a.Issue(grant, accept)
		require.NoError(t, err)

		require.True(t, ca.ForAttestation(cert))
		require.Equal(t, key.Public(), cert.PublicKey)
		require.Empty(t, cert.Subject.Names)
		require.Empty(t, cert.ExtKeyUsage)
		require.Equal(t, []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}}, cert.UnknownExtKeyUsage)
		require.Equal(t, x509.KeyUsageDigitalSignature, cert.KeyUsage)
		require.Empty(t, cert.URIs)
		require.WithinDuration(t, time.Now().Add(90*24*time.Hour), cert.NotAfter, time.Minute)
		require.Len(t, cert.CRLDistributionPoints, 1)

		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(hierarchy().Root)
		between.AddCert(hierarchy().Intermediate)
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageAny} {
			_, err = cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}})
			require.Error(t, err)
		}
		cert.UnhandledCriticalExtensions = nil // the subjectAltName: crypto/x509 knows none of its names
		_, err = cert.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		require.NoError(t, err)
	}
}

// A TPM's maker and the identity stand in the subjectAltName where WebAuthn, Section
// 8.3.1 and RFC 4043 look for them.
func TestAttestationNames(t *testing.T) {
	req, err := ca.AttestationRequest(p256Key().Public(), testTPM)
	require.NoError(t, err)
	id := ca.Identity{ID: newID(t, "pump/SN-1"), Revision: 1, Method: ca.MethodTPM, Source: netip.MustParseAddr("10.1.2.3")}
	grant, err := newPolicy(t, tpmPolicy).Decide(id, req, time.Now())
	require.NoError(t, err)
	cert, err := newAuthority(t, hierarchy(), nil).Issue(grant, accept)
	require.NoError(t, err)
	for _, ext := range cert.Extensions {
		if !ext.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 17}) {
			continue
		}
		require.True(t, ext.Critical)
		text := func(s string) []byte { return tagged(0x0c, []byte(s)) }
		rdn := func(i byte, s string) []byte {
			return tagged(0x31, sequence([]byte{6, 5, 0x67, 0x81, 5, 2, i}, text(s)))
		}
		name := sequence(rdn(1, testTPM.Manufacturer), rdn(2, testTPM.Model), rdn(3, testTPM.Version))
		require.Equal(t, sequence(tagged(0xa4, name), permanentID("SN-1")), ext.Value)
		return
	}
	require.Fail(t, "there is no subjectAltName")
}

// Nothing but a TPM's proof gets an attestation key certified, and where the role has
// no TPMs, or not from there, that does not either. How many proofs enrolling takes,
// and with what keys, is no matter.
func TestAttestationDenied(t *testing.T) {
	req, err := ca.AttestationRequest(rsa2048Key().Public(), testTPM)
	require.NoError(t, err)
	good := ca.Identity{ID: newID(t, "pump/SN-1"), Revision: 1, Method: ca.MethodTPM, Source: netip.MustParseAddr("10.1.2.3")}
	for _, tt := range []struct {
		name   string
		policy string
		bend   func(*ca.Identity)
		denied bool
	}{
		{"good", tpmPolicy, func(*ca.Identity) {}, false},
		{"by a token", tpmPolicy, func(id *ca.Identity) { id.Method, id.Proofs = ca.MethodToken, 2 }, true},
		{"by a certificate", tpmPolicy, func(id *ca.Identity) { id.Method = ca.MethodRenew }, true},
		{"from elsewhere", tpmPolicy, func(id *ca.Identity) { id.Source = netip.MustParseAddr("192.0.2.1") }, true},
		{"a role without", "[role.pump]\nmethods = ['token', 'renew']\n", func(*ca.Identity) {}, true},
		{"no role", "[role.other]\n", func(*ca.Identity) {}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := good
			tt.bend(&id)
			_, err := newPolicy(t, tt.policy).Decide(id, req, time.Now())
			var denied *ca.DeniedError
			require.Equal(t, tt.denied, err != nil, "%v", err)
			if tt.denied {
				require.ErrorAs(t, err, &denied)
			}
		})
	}
	for name, tpm := range map[string]ca.TPM{
		"none": {}, "no version": {Manufacturer: "id:1", Model: "m"}, "long": {"id:1", strings.Repeat("m", 65), "id:1"}, "no text": {"id:1", "\xff", "id:1"},
	} {
		_, err := ca.AttestationRequest(p256Key().Public(), tpm)
		require.Error(t, err, name)
	}
	for _, key := range []crypto.Signer{ed25519Key(), p224Key(), p521Key()} {
		_, err := ca.AttestationRequest(key.Public(), testTPM)
		require.Error(t, err)
	}
}

// Who is bound to a TPM goes on with a key that the TPM attested, over every protocol
// that goes on, and with no other; who begins anew begins anew.
func TestBound(t *testing.T) {
	p := newPolicy(t, strings.Replace(tpmPolicy, "proofs = 2", "", 1))
	req := newRequest(t, p256Key(), x509.CertificateRequest{})
	attested, other := req.SPKI(), sha256.Sum256([]byte("another"))
	for _, tt := range []struct {
		method   ca.Method
		bound    bool
		attested *[32]byte
		want     bool
	}{
		{ca.MethodRenew, false, nil, true}, {ca.MethodRenew, true, nil, false},
		{ca.MethodRenew, true, &other, false}, {ca.MethodRenew, true, &attested, true},
		{ca.MethodACME, true, nil, false}, {ca.MethodACME, true, &attested, true},
		{ca.MethodToken, true, nil, true}, {ca.MethodTPM, true, &attested, true},
	} {
		id := ca.Identity{
			ID: newID(t, "pump/SN-1"), Method: tt.method, TPM: tt.bound, Attested: tt.attested, Source: netip.MustParseAddr("10.1.2.3"),
		}
		_, err := p.Decide(id, req, time.Now())
		require.Equal(t, tt.want, err == nil, "%s, bound %t: %v", tt.method, tt.bound, err)
	}
}
