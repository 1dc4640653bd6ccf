//go:build tpmsimulator

package attest_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.step.sm/crypto/tpm"
	"go.step.sm/crypto/tpm/simulator"
	"go.step.sm/crypto/tpm/storage"

	"github.com/betonica/betonica/enroll/acme/attest"
)

var update = flag.Bool("update", false, "record the attestation of a P-256 key in "+recorded)

// What a TPM 2.0 says of a key of its own is believed for the challenge that it
// was said for, and for the device that its attestation key was certified for.
func TestSimulator(t *testing.T) {
	machine := newTPM(t)
	ak, err := machine.CreateAK(t.Context(), "ak")
	require.NoError(t, err)
	ca := newCA(t, nil)
	x5c := ca.certify(t, akTemplate(permanentIdentifier(device)), ak.Public())
	o := attest.Options{Roots: ca.roots(), KeyAuthorization: keyAuthorization, Identifier: device, Now: now}

	for _, tt := range []struct {
		name, algorithm string
		size            int
	}{
		{"RSA", "RSA", 2048},
		{"P-384", "ECDSA", 384},
		{"P-256", "ECDSA", 256},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sum := sha256.Sum256([]byte(keyAuthorization))
			key, err := machine.AttestKey(t.Context(), "ak", tt.name, tpm.AttestKeyConfig{Algorithm: tt.algorithm, Size: tt.size, QualifyingData: sum[:]})
			require.NoError(t, err)
			params, err := key.CertificationParameters(t.Context())
			require.NoError(t, err)
			obj := encode(t, map[string]any{"fmt": "tpm", "attStmt": map[string]any{
				"ver": "2.0", "alg": -257, "x5c": x5c,
				"sig": params.CreateSignature, "certInfo": params.CreateAttestation, "pubArea": params.Public,
			}})
			spki, err := attest.Verify(obj, o)
			require.NoError(t, err)
			der, err := x509.MarshalPKIXPublicKey(key.Public())
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(der), spki)

			for _, bend := range []func(*attest.Options){
				func(o *attest.Options) { o.KeyAuthorization = "another" },
				func(o *attest.Options) { o.Identifier = "another" },
				func(o *attest.Options) { o.Roots = newCA(t, nil).roots() },
			} {
				other := o
				bend(&other)
				_, err := attest.Verify(obj, other)
				require.Error(t, err)
			}
			if *update && tt.name == "P-256" {
				b, err := json.MarshalIndent(recording{obj, ca.root.Raw, keyAuthorization, device, now, spki[:]}, "", "\t")
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(recorded, append(b, '\n'), 0o644))
			}
		})
	}
}

// newTPM returns a TPM that has just left the factory.
func newTPM(t *testing.T) *tpm.TPM {
	sim, err := simulator.New()
	require.NoError(t, err)
	require.NoError(t, sim.Open())
	t.Cleanup(func() { require.NoError(t, sim.Close()) })
	device, err := tpm.New(tpm.WithSimulator(sim), tpm.WithStore(storage.NewDirstore(t.TempDir())))
	require.NoError(t, err)
	return device
}
