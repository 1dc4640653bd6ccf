//go:build tpmsimulator

package main_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/mholt/acmez/v3"
	client "github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/tpm"
	"go.step.sm/crypto/tpm/simulator"
	"go.step.sm/crypto/tpm/storage"
)

// A machine whose TPM's maker is known has a certificate for a key that never left
// the TPM, and for no other key; and nobody has one by another machine's TPM.
func TestTPM(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	maker, stranger := newMaker(t), newMaker(t)
	vouch(t, dir, "device", maker)
	d := serve(t, dir)
	machine := newTPM(t)
	c, account := acmezAccount(t, d, trusting(t, dir), "device", "SN-1")
	ak, err := machine.CreateAK(t.Context(), "ak")
	require.NoError(t, err)

	obtain := func(certified []byte, signer func(attested *tpm.Key) crypto.Signer) (*x509.Certificate, *tpm.Key, error) {
		t.Helper()
		solver := &attestor{tpm: machine, certified: certified}
		c.ChallengeSolvers = map[string]acmez.Solver{client.ChallengeTypeDeviceAttest01: solver}
		params := acmez.OrderParameters{
			Account: account, Identifiers: []client.Identifier{{Type: "permanent-identifier", Value: "SN-1"}},
			CSR: csrSource(func() (*x509.CertificateRequest, error) { return deviceCSR("SN-1", signer(solver.key)) }),
		}
		chains, err := c.ObtainCertificate(t.Context(), params)
		if err != nil {
			return nil, nil, err
		}
		pair, err := request{}.certificate(chains[0].ChainPEM)
		require.NoError(t, err)
		return pair.Leaf, solver.key, nil
	}
	own := func(attested *tpm.Key) crypto.Signer {
		signer, err := attested.Signer(t.Context())
		require.NoError(t, err)
		return signer
	}

	cert, key, err := obtain(maker.certify(t, ak, "SN-1"), own)
	require.NoError(t, err)
	require.Equal(t, "spiffe://"+trustDomain+"/device/SN-1", cert.URIs[0].String())
	require.Equal(t, key.Public(), cert.PublicKey)

	for _, tt := range []struct {
		name      string
		certified []byte
		signer    func(*tpm.Key) crypto.Signer
		kind      string
	}{
		{"a key that is not the TPM's", maker.certify(t, ak, "SN-1"), func(*tpm.Key) crypto.Signer { return newRequest(t).key }, "badCSR"},
		{"another machine's TPM", maker.certify(t, ak, "SN-2"), own, "badAttestationStatement"},
		{"a TPM of no machine", maker.certify(t, ak, ""), own, "badAttestationStatement"},
		{"a maker that nobody trusts", stranger.certify(t, ak, "SN-1"), own, "badAttestationStatement"},
	} {
		_, _, err := obtain(tt.certified, tt.signer)
		problem, ok := errors.AsType[client.Problem](err)
		require.True(t, ok, "%s: %v", tt.name, err)
		require.Equal(t, client.ProblemTypeNamespace+tt.kind, problem.Type, "%s: %s", tt.name, problem.Detail)
	}
	require.NoError(t, d.stop())
	require.Equal(t, 1, count(t, dir, `SELECT count(*) FROM certificates WHERE identity = 'device/SN-1'`))
}

// newTPM returns a TPM that has just left the factory.
func newTPM(t *testing.T) *tpm.TPM {
	sim, err := simulator.New()
	require.NoError(t, err)
	require.NoError(t, sim.Open())
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	machine, err := tpm.New(tpm.WithSimulator(sim), tpm.WithStore(storage.NewDirstore(t.TempDir())))
	require.NoError(t, err)
	return machine
}

// An attestor has a TPM make a key, and say so.
type attestor struct {
	tpm       *tpm.TPM
	certified []byte // the certificate of its attestation key
	key       *tpm.Key
}

func (*attestor) Present(context.Context, client.Challenge) error { return nil }
func (*attestor) CleanUp(context.Context, client.Challenge) error { return nil }

func (a *attestor) Payload(ctx context.Context, c client.Challenge) (any, error) {
	sum := sha256.Sum256([]byte(c.KeyAuthorization))
	var err error
	a.key, err = a.tpm.AttestKey(ctx, "ak", "", tpm.AttestKeyConfig{Algorithm: "ECDSA", Size: 256, QualifyingData: sum[:]})
	if err != nil {
		return nil, err
	}
	said, err := a.key.CertificationParameters(ctx)
	if err != nil {
		return nil, err
	}
	object, err := cbor.Marshal(map[string]any{"fmt": "tpm", "attStmt": map[string]any{
		"ver": "2.0", "alg": -257, "x5c": [][]byte{a.certified},
		"sig": said.CreateSignature, "certInfo": said.CreateAttestation, "pubArea": said.Public,
	}})
	return map[string]string{"attObj": base64.RawURLEncoding.EncodeToString(object)}, err
}

type csrSource func() (*x509.CertificateRequest, error)

func (f csrSource) CSR(context.Context, []client.Identifier) (*x509.CertificateRequest, error) {
	return f()
}

// A maker is who says which machine an attestation key is in.
type maker struct {
	request
	root *x509.Certificate
}

func newMaker(t testing.TB) maker {
	m := maker{request: newRequest(t)}
	m.root = &x509.Certificate{Subject: pkix.Name{CommonName: "Maker"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	m.root = m.sign(t, m.root, m.key.Public())
	return m
}

// certify certifies an attestation key, for no machine if that is "".
func (m maker) certify(t testing.TB, ak *tpm.AK, machine string) []byte {
	return m.sign(t, &x509.Certificate{
		Subject: pkix.Name{SerialNumber: machine}, KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}}, // tcg-kp-AIKCertificate
	}, ak.Public()).Raw
}

func (m maker) sign(t testing.TB, template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	template.SerialNumber = big.NewInt(7)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, m.root, public, m.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// vouch writes into the CA's policy that the maker is believed for a role.
func vouch(t testing.TB, dir, role string, m maker) {
	file := filepath.Join(dir, "policy.toml")
	before, after, found := strings.Cut(string(read(t, file)), "\n[role."+role+"]\n")
	require.True(t, found)
	roots := "attestation_roots = \"\"\"\n" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.root.Raw})) + "\"\"\"\n"
	require.NoError(t, os.WriteFile(file, []byte(before+"\n[role."+role+"]\n"+roots+after), 0o600))
}

// deviceCSR is a request that names a machine by its permanent identifier (RFC
// 4043).
func deviceCSR(machine string, key crypto.Signer) (*x509.CertificateRequest, error) {
	type otherName struct {
		ID    asn1.ObjectIdentifier
		Value struct {
			Name string `asn1:"utf8"`
		} `asn1:"tag:0,explicit"`
	}
	name := otherName{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3}}
	name.Value.Name = machine
	general, err := asn1.MarshalWithParams(name, "tag:0")
	if err != nil {
		return nil, err
	}
	san, err := asn1.Marshal([]asn1.RawValue{{FullBytes: general}})
	if err != nil {
		return nil, err
	}
	template := &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}
