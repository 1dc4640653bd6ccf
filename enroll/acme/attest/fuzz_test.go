package attest_test

import (
	"crypto/sha256"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme/attest"
)

// Whatever is sent, Verify answers with its own kind of error, or with the key
// that the TPM certified.
func FuzzVerify(f *testing.F) {
	r := readRecording(f)
	o := r.options(f)
	f.Add(r.AttObj)
	f.Add(r.AttObj[:len(r.AttObj)/2])
	f.Fuzz(func(t *testing.T, obj []byte) {
		spki, err := attest.Verify(obj, o)
		if err == nil {
			require.Equal(t, r.SPKI, spki[:])
			return
		}
		requireRefused(t, spki, err)
	})
}

// The same for what is read only below a signature that is good.
func FuzzCertified(f *testing.F) {
	forged := newForgery(f)
	forged.seal(f)
	f.Add(tpm2.Marshal(forged.info), tpm2.Marshal(forged.pub))
	f.Fuzz(func(t *testing.T, certInfo, pubArea []byte) {
		forged.raw = certInfo
		forged.late = func(_, st map[string]any) { st["pubArea"] = pubArea }
		spki, err := attest.Verify(forged.seal(t), forged.Options)
		if err != nil {
			requireRefused(t, spki, err)
		}
	})
}

func requireRefused(t *testing.T, spki [sha256.Size]byte, err error) {
	var e *attest.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, [sha256.Size]byte{}, spki)
}
