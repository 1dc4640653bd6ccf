package attest_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/fips140"
	"crypto/x509"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

var home = netip.MustParseAddr("192.0.2.7")

// refused demands that the error is a refusal of an attestation.
func refused(t *testing.T, err error, detail string) {
	t.Helper()
	var e *enroll.AttestationError
	require.ErrorAs(t, err, &e)
	require.Contains(t, e.Detail, detail)
}

// A machine whose TPM is in the inventory gets its attestation key certified, enrols by
// it, and goes on with keys that it attests, and no other; all of it is on record.
func TestMachine(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	c := newChip(t)
	w.know(c, "SN-1")
	cert, nonce := w.introduce(c)
	require.True(t, ca.ForAttestation(cert))
	require.Equal(t, store.Pending, w.ca.Identity("pump/SN-1").State)

	key := newKey(t)
	csr := enrolltest.CSR(t, key)
	at := c.attest(cert, nonce, csr, key)
	leaf, err := w.admit(at, csr)
	require.NoError(t, err)
	require.Equal(t, "pump/SN-1", leaf.URIs[0].Path[1:])
	identity := w.ca.Identity("pump/SN-1")
	require.Equal(t, store.Active, identity.State)
	require.Equal(t, c.ekHash(), identity.EK)

	// The answer got lost: the same request, attested anew, has the same answer; the same
	// words a second time have none.
	_, err = w.admit(at, csr)
	refused(t, err, "used before")
	again, err := w.admit(c.attest(cert, w.ca.NewNonce(), csr, key), csr)
	require.NoError(t, err)
	require.Equal(t, leaf.Raw, again.Raw)

	holder, err := w.ca.Holder(t.Context(), leaf, home)
	require.NoError(t, err)
	next := newKey(t)
	csr = enrolltest.CSR(t, next)
	_, err = w.ca.Renew(t.Context(), holder, csr) // a key in a file
	var denied *ca.DeniedError
	require.ErrorAs(t, err, &denied)
	require.Contains(t, denied.Reason, "its keys are in a TPM")
	attested, err := w.ca.AttestHolder(t.Context(), holder, c.attest(cert, w.ca.NewNonce(), csr, next), csr)
	require.NoError(t, err)
	_, err = w.ca.Renew(t.Context(), attested, csr)
	require.NoError(t, err)

	require.Len(t, w.ca.Audit("certificate.issue"), 3)
	require.NotEmpty(t, w.ca.Audit("certificate.refuse"))
}

// Nobody has an attestation key certified that is not one, or not that TPM's, or the TPM
// of nobody; or by another's answer.
func TestBeginRefused(t *testing.T) {
	area := func(bend func(*tpm2.TPMTPublic)) func(*chip, *api.AttestBegin) {
		return func(c *chip, b *api.AttestBegin) {
			bend(&c.akArea)
			b.AKPublic = tpm2.Marshal(c.akArea)
		}
	}
	raw := func(bend func(b *api.AttestBegin)) func(*chip, *api.AttestBegin) {
		return func(_ *chip, b *api.AttestBegin) { bend(b) }
	}
	w := newWorld(t, tpmPolicy)
	known := newChip(t)
	w.know(known, "SN-1")
	original := known.akArea
	for _, tt := range []struct {
		name   string
		detail string
		bend   func(*chip, *api.AttestBegin)
	}{
		{"not restricted", "must be restricted", area(func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Restricted = false })},
		{"decrypts, too", "must be restricted", area(func(p *tpm2.TPMTPublic) { p.ObjectAttributes.Decrypt = true })},
		{"does not sign", "must be restricted", area(func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SignEncrypt = false })},
		{"can leave the TPM", "can leave it", area(func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedTPM = false })},
		{"can leave its parent", "can leave it", area(func(p *tpm2.TPMTPublic) { p.ObjectAttributes.FixedParent = false })},
		{"was brought in", "can leave it", area(func(p *tpm2.TPMTPublic) { p.ObjectAttributes.SensitiveDataOrigin = false })},
		{"a Name by SHA-1", "not by SHA-256", area(func(p *tpm2.TPMTPublic) { p.NameAlg = tpm2.TPMAlgSHA1 })},
		{"no AK", "not a TPMT_PUBLIC", raw(func(b *api.AttestBegin) { b.AKPublic = nil })},
		{"AK cut short", "not a TPMT_PUBLIC", raw(func(b *api.AttestBegin) { b.AKPublic = b.AKPublic[:len(b.AKPublic)-1] })},
		{"AK with more", "ak_pub", raw(func(b *api.AttestBegin) { b.AKPublic = append(bytes.Clone(b.AKPublic), 0) })},
		{"AK of great length", "larger than", raw(func(b *api.AttestBegin) { b.AKPublic = make([]byte, 2000) })},
		{"AK with a length that lies", "not a TPMT_PUBLIC", raw(func(b *api.AttestBegin) {
			b.AKPublic = bytes.Clone(b.AKPublic)
			b.AKPublic[len(b.AKPublic)-33] = 0xff // of the second coordinate
		})},
		{"AK off the curve", "ak_pub", raw(func(b *api.AttestBegin) {
			b.AKPublic = bytes.Clone(b.AKPublic)
			b.AKPublic[len(b.AKPublic)-1] ^= 1
		})},
		{"no EK", "neither ek_cert nor ek_pub", raw(func(b *api.AttestBegin) { b.EKPublic = nil })},
		{"EK that is an AK", "not an endorsement key", raw(func(b *api.AttestBegin) { b.EKPublic = b.AKPublic })},
		{"EK cut short", "not a TPMT_PUBLIC", raw(func(b *api.AttestBegin) { b.EKPublic = b.EKPublic[:100] })},
		{"EK certificate that is none", "not a certificate", raw(func(b *api.AttestBegin) { b.EKCertificate = [][]byte{{0x30, 0}} })},
		{"too many certificates", "more than 8", raw(func(b *api.AttestBegin) { b.EKCertificate = make([][]byte, 9) })},
		{"unknown EK", "is not in the inventory", func(c *chip, b *api.AttestBegin) { b.EKPublic = newChip(t).ekArea() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			known.akArea = original
			begin := known.begin()
			tt.bend(known, &begin)
			_, err := w.begin(begin, "")
			refused(t, err, tt.detail)
		})
	}
	w.ca.Stop()
	require.NotEmpty(t, w.ca.Audit("attestation.refuse"))
	require.Empty(t, w.ca.Audit("certificate.issue"))
}

// A challenge is for one TPM, one key in it, two minutes and one answer.
func TestFinishRefused(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	one, two := newChip(t), newChip(t)
	w.know(one, "SN-1")
	w.know(two, "SN-2")
	first, err := w.begin(one.begin(), "")
	require.NoError(t, err)
	second, err := w.begin(two.begin(), "")
	require.NoError(t, err)
	require.Nil(t, two.activate(first), "another TPM found the secret")

	stolen := *one
	stolen.ak = newKey(t) // of the same TPM, but not the one that was shown
	stolen.akArea = eccArea(stolen.ak, one.akArea.ObjectAttributes)
	require.Nil(t, stolen.activate(first), "another object found the secret")

	_, err = w.finish(first.ID, two.activate(second)) // crossed
	refused(t, err, "not the one in the challenge")
	_, err = w.finish(second.ID, one.activate(first))
	refused(t, err, "not the one in the challenge")
	for _, secret := range [][]byte{nil, {}, make([]byte, 32), make([]byte, 33)} {
		_, err = w.finish(first.ID, secret)
		refused(t, err, "not the one in the challenge")
	}
	for _, id := range []string{"", "AAAA", first.ID[:len(first.ID)-2], "x" + first.ID, first.ID + "A"} {
		_, err = w.finish(id, one.activate(first))
		refused(t, err, "not one of a challenge")
	}
	changed := []byte(first.ID)
	changed[40] ^= 1
	_, err = w.finish(string(changed), one.activate(first))
	refused(t, err, "not one of a challenge")

	_, err = w.finish(first.ID, one.activate(first))
	require.NoError(t, err)
	_, err = w.finish(first.ID, one.activate(first)) // replayed
	refused(t, err, "used before")
	w.ca.Advance(2*time.Minute + time.Second)
	_, err = w.finish(second.ID, two.activate(second))
	refused(t, err, "too old")
}

// Any replica finishes what another began, and a challenge is used up on all.
func TestReplicas(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	c := newChip(t)
	w.know(c, "SN-1")
	challenge, err := w.begin(c.begin(), "")
	require.NoError(t, err)
	cert, err := w.ca.CertifyAttestationKey(t.Context(), challenge.ID, c.activate(challenge), home)
	require.NoError(t, err)
	require.Equal(t, c.ak.Public(), cert.PublicKey)
}

// What an attestation key says counts for the key, the request and the identity that it
// is said for, as long as its certificate is good, and once.
func TestAttestedRefused(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	one, two := newChip(t), newChip(t)
	w.know(one, "SN-1")
	w.know(two, "SN-2")
	cert, _ := w.introduce(one)
	other, _ := w.introduce(two)
	key, software := newKey(t), newKey(t)
	csr := enrolltest.CSR(t, key)
	for _, tt := range []struct {
		name   string
		detail string
		make   func() (api.Attestation, []byte)
	}{
		{"a software key", "not the request's", func() (api.Attestation, []byte) {
			csr := enrolltest.CSR(t, software)
			return one.attest(cert, w.ca.NewNonce(), csr, key), csr
		}},
		{"another request's qualifying data", "extraData", func() (api.Attestation, []byte) {
			return one.attest(cert, w.ca.NewNonce(), enrolltest.CSR(t, key, "pump/SN-1"), key), csr
		}},
		{"another nonce's qualifying data", "extraData", func() (api.Attestation, []byte) {
			at := one.attest(cert, w.ca.NewNonce(), csr, key)
			at.Nonce = w.ca.NewNonce()
			return at, csr
		}},
		{"a nonce of nobody", "used before", func() (api.Attestation, []byte) {
			return one.attest(cert, "AAAAAAAAAAAAAAAAAAAAAA", csr, key), csr
		}},
		{"another TPM's certificate", "not the attestation key's signature", func() (api.Attestation, []byte) {
			return one.attest(other, w.ca.NewNonce(), csr, key), csr
		}},
		{"a certificate that is not ours", "not one of ours", func() (api.Attestation, []byte) {
			return one.attest(foreign(t, one.ak), w.ca.NewNonce(), csr, key), csr
		}},
		{"no certificate", "x5c", func() (api.Attestation, []byte) {
			at := one.attest(cert, w.ca.NewNonce(), csr, key)
			at.X5C = nil
			return at, csr
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, csr := tt.make()
			_, err := w.admit(at, csr)
			refused(t, err, tt.detail)
		})
	}
	require.Equal(t, store.Pending, w.ca.Identity("pump/SN-1").State)

	leaf, err := w.admit(one.attest(cert, w.ca.NewNonce(), csr, key), csr)
	require.NoError(t, err)

	// The machine's own certificate is no attestation key's, and the other way about.
	_, err = w.admit(one.attest(leaf, w.ca.NewNonce(), csr, key), csr)
	refused(t, err, "not one for an attestation key")
	_, err = w.ca.Holder(t.Context(), cert, home)
	require.ErrorIs(t, err, enroll.ErrUnauthenticated)
	_, err = w.ca.LateHolder(t.Context(), cert, home)
	require.ErrorIs(t, err, enroll.ErrUnauthenticated)

	// One's certificate does not go on by another's TPM.
	holder, err := w.ca.Holder(t.Context(), leaf, home)
	require.NoError(t, err)
	next := newKey(t)
	request := enrolltest.CSR(t, next)
	_, err = w.ca.AttestHolder(t.Context(), holder, two.attest(other, w.ca.NewNonce(), request, next), request)
	refused(t, err, "another identity's")
}

// What becomes of the identity, or of the attestation key's certificate, ends what it
// can say: at once, at every step.
func TestStopped(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stop   func(*world, *x509.Certificate)
		detail string
		begins bool // and can begin again
	}{
		{"suspended", func(w *world, _ *x509.Certificate) {
			_, err := w.ca.Suspend(w.t.Context(), enrolltest.Root, "pump/SN-1")
			require.NoError(w.t, err)
		}, "suspended", false},
		{"retired", func(w *world, _ *x509.Certificate) {
			_, err := w.ca.Retire(w.t.Context(), enrolltest.Root, "pump/SN-1")
			require.NoError(w.t, err)
		}, "retired", false},
		{"ran out", func(w *world, cert *x509.Certificate) { w.ca.Advance(time.Until(cert.NotAfter) + time.Hour) }, "not valid at this time", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tpmPolicy)
			c := newChip(t)
			w.know(c, "SN-1")
			cert, nonce := w.introduce(c)
			key := newKey(t)
			csr := enrolltest.CSR(t, key)
			_, err := w.admit(c.attest(cert, nonce, csr, key), csr)
			require.NoError(t, err)
			challenge, err := w.begin(c.begin(), "")
			require.NoError(t, err)

			tt.stop(w, cert)
			_, err = w.admit(c.attest(cert, w.ca.NewNonce(), csr, key), csr)
			refused(t, err, tt.detail)
			_, err = w.ca.AttestationNonce(t.Context(), store.SerialOf(cert).String(), home)
			refused(t, err, tt.detail)
			_, err = w.finish(challenge.ID, c.activate(challenge))
			require.Error(t, err)
			_, err = w.begin(c.begin(), "")
			require.Equal(t, tt.begins, err == nil, "%v", err)
		})
	}
}

// A network that begins too often waits, and no other for it.
func TestFlood(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	c := newChip(t)
	w.know(c, "SN-1")
	for range 60 {
		_, err := w.begin(c.begin(), "")
		require.NoError(t, err)
	}
	_, err := w.begin(c.begin(), "")
	var limit *enroll.RateLimitError
	require.ErrorAs(t, err, &limit)
	require.Positive(t, limit.RetryAfter)
	_, err = w.ca.AttestationNonce(t.Context(), "00", home)
	require.NotErrorAs(t, err, &limit)
	w.ca.Advance(2 * time.Minute)
	_, err = w.begin(c.begin(), "")
	require.NoError(t, err)
}

// foreign is an attestation key's certificate by somebody else.
func foreign(t *testing.T, ak *ecdsa.PrivateKey) *x509.Certificate {
	m := newMaker(t)
	return m.sign(ekTemplate(func(c *x509.Certificate) { c.UnknownExtKeyUsage = oids(3) }), ak.Public())
}

// Where FIPS 140-3 is enforced no secret is hidden for a TPM, which it forbids: whoever asks
// is told, and it is on record. Where it is not, he gets one.
func TestEnforced(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	c := newChip(t)
	w.know(c, "SN-1")
	var challenge api.AttestChallenge
	err := w.post(w.h.Begin, "", c.begin(), &challenge)
	if !fips140.Enforced() {
		require.NoError(t, err)
		require.NotEmpty(t, challenge.Credential)
		return
	}
	refused(t, err, "FIPS 140-3 is enforced")
	require.Eventually(t, func() bool { return len(w.ca.Audit("attestation.refuse")) == 1 }, 30*time.Second, 10*time.Millisecond)
}
