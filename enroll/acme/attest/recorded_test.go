package attest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/attest"
)

// A recording is an attestation that a TPM made (TestSimulator -update), and what
// is needed to verify it.
type recording struct {
	AttObj           []byte
	Root             []byte
	KeyAuthorization string
	Identifier       string
	Now              time.Time
	SPKI             []byte // SHA-256
}

const recorded = "testdata/simulator.json"

func (r recording) options(t testing.TB) attest.Options {
	root, err := x509.ParseCertificate(r.Root)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return attest.Options{Roots: pool, KeyAuthorization: r.KeyAuthorization, Identifier: r.Identifier, Now: r.Now}
}

func readRecording(t testing.TB) recording {
	b, err := os.ReadFile(recorded)
	require.NoError(t, err)
	var r recording
	require.NoError(t, json.Unmarshal(b, &r))
	return r
}

// What a TPM made passes, and with any bit of it changed it does not.
func TestRecorded(t *testing.T) {
	r := readRecording(t)
	o := r.options(t)
	spki, err := attest.Verify(r.AttObj, o)
	require.NoError(t, err)
	require.Equal(t, r.SPKI, spki[:])

	for i := range r.AttObj {
		bad := bytes.Clone(r.AttObj)
		bad[i] ^= 1 << (i % 8)
		_, err := attest.Verify(bad, o)
		require.Error(t, err, "byte %d", i)
	}
}
