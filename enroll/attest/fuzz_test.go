package attest_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/attest"
)

// Whatever a public area says, it is refused, or its Name is the digest of just these
// bytes: what was checked is what the challenge is for.
func FuzzAttestationKey(f *testing.F) {
	c := newChip(f)
	f.Add(tpm2.Marshal(c.akArea))
	f.Add(c.ekArea())
	f.Add([]byte{0, 0x23, 0, 0x0b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, area []byte) {
		name, err := attest.ParseAK(area)
		if err != nil {
			return
		}
		sum := sha256.Sum256(area)
		require.Equal(t, append([]byte{0, 0x0b}, sum[:]...), name)
	})
}

// Whatever an endorsement key and its certificate say, they are refused, or something
// can be hidden with them.
func FuzzEndorsementKey(f *testing.F) {
	c, m := newChip(f), newMaker(f)
	m.vouch(c, nil)
	f.Add(c.ekArea(), c.cert[0])
	f.Add([]byte{}, c.cert[0])
	f.Add(c.ekArea(), []byte{})
	f.Fuzz(func(t *testing.T, area, cert []byte) {
		var certs [][]byte
		if len(cert) > 0 {
			certs = append(certs, cert)
		}
		if attest.ParseEK(area, certs) != nil {
			return
		}
		attest.Vouched(certs, m.root, time.Now())
	})
}

// Whatever a subjectAltName says, what is read of it can stand in a certificate of ours.
func FuzzTPMName(f *testing.F) {
	f.Add(tpmSAN("id:54455354", "swtpm", "id:00010001"))
	f.Add(tpmSAN("id:54455354", "", "id:00010001"))
	f.Fuzz(func(t *testing.T, san []byte) {
		tpm, ok := attest.ReadTPMName(san)
		if !ok {
			return
		}
		_, err := ca.AttestationRequest(newKey(t).Public(), tpm)
		require.NoError(t, err)
	})
}
