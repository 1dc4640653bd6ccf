package attest_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// vouchedWorld is a world whose role believes a maker, and a chip of his.
func vouchedWorld(t *testing.T) (*world, *maker, *chip) {
	m := newMaker(t)
	w := newWorld(t, tpmPolicy+"tpm_roots = '''\n"+m.pem()+"'''\n")
	c := newChip(t)
	m.vouch(c, nil)
	return w, m, c
}

// enrol enrols a chip by its attestation key's certificate and the token.
func (w *world) enrol(c *chip, cert *x509.Certificate, token ...string) (*x509.Certificate, error) {
	key := newKey(w.t)
	csr := enrolltest.CSR(w.t, key)
	return w.admit(c.attest(cert, w.ca.NewNonce(), csr, key), csr, token...)
}

// A TPM that a join token alone gives to an identity takes that token to enrol, and spends
// it: whoever has begun with a stolen one has nothing once it is spent, revoked or too old.
func TestTokenIsSpent(t *testing.T) {
	w, m, c := vouchedWorld(t)
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	thief := newChip(t)
	m.vouch(thief, nil)
	cert, _ := w.introduce(c, token)
	stolen, _ := w.introduce(thief, token)

	var denied *ca.DeniedError
	_, err := w.enrol(thief, stolen)
	require.ErrorAs(t, err, &denied)
	require.Contains(t, denied.Reason, "the token has to be shown as well")
	require.Equal(t, store.Pending, w.ca.Identity("pump/SN-1").State)
	_, err = w.ca.AttestationKey(t.Context(), stolen)
	refused(t, err, "in no inventory")

	_, err = w.enrol(thief, stolen, w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-*"}))
	require.ErrorAs(t, err, &denied, "a token that names nobody")

	_, err = w.enrol(c, cert, token)
	require.NoError(t, err)
	require.Equal(t, c.ekHash(), w.ca.Identity("pump/SN-1").EK)
	_, err = w.enrol(thief, stolen, token)
	require.Error(t, err)
	w.ca.Advance(25 * time.Hour)
	_, err = w.enrol(thief, stolen)
	require.Error(t, err)
	require.Equal(t, c.ekHash(), w.ca.Identity("pump/SN-1").EK)
}

// A machine that enrolled by its TPM has its attestation key certified again, without a
// token, for as long as it lives: the identity's record knows the TPM.
func TestAttestationKeyGoesOn(t *testing.T) {
	w, _, c := vouchedWorld(t)
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	first, _ := w.introduce(c, token)
	leaf, err := w.enrol(c, first, token)
	require.NoError(t, err)
	w.ca.Advance(first.NotAfter.Sub(w.ca.Now()) - time.Hour)
	_, err = w.enrol(c, first)
	require.NoError(t, err, "what it held has expired")
	w.ca.Advance(2 * time.Hour)
	_, err = w.ca.AttestationNonce(t.Context(), store.SerialOf(first).String(), home)
	refused(t, err, "not valid at this time")
	second, _ := w.introduce(c)
	require.NotEqual(t, first.SerialNumber, second.SerialNumber)
	_, err = w.enrol(c, second)
	require.Error(t, err, "it holds a certificate")
	require.NotNil(t, leaf)
}

// One TPM is one identity's: not another's as well, whatever token comes with it, and not
// after the identity was revoked; but again once that is retired.
func TestTPMOfAnother(t *testing.T) {
	w, _, c := vouchedWorld(t)
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	cert, _ := w.introduce(c, token)
	other := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-2"})
	same := *c // which has asked for both before it was either
	same.ak = newKey(t)
	same.akArea = eccArea(same.ak, c.akArea.ObjectAttributes)
	both, _ := w.introduce(&same, other)
	_, err := w.enrol(c, cert, token)
	require.NoError(t, err)

	_, err = w.begin(c.begin(), other)
	refused(t, err, "bound to another identity")
	_, err = w.enrol(&same, both, other)
	require.ErrorIs(t, err, store.ErrKeyTaken)
	require.Equal(t, store.Pending, w.ca.Identity("pump/SN-2").State)
	_, err = w.ca.Suspend(t.Context(), enrolltest.Root, "pump/SN-1")
	require.NoError(t, err)
	_, err = w.begin(c.begin(), "")
	refused(t, err, "suspended")
	_, err = w.begin(c.begin(), other)
	refused(t, err, "bound to another identity")
	_, err = w.ca.Resume(t.Context(), enrolltest.Root, "pump/SN-1")
	require.NoError(t, err)
	_, err = w.ca.Retire(t.Context(), enrolltest.Root, "pump/SN-1")
	require.NoError(t, err)
	_, err = w.enrol(&same, both, other)
	require.NoError(t, err)
}

// A token does not give an identity another chip than the one that the inventory has for
// it, or that it enrolled by; and what the inventory has as another's is that one's.
func TestTokenForAnotherChip(t *testing.T) {
	w, m, c := vouchedWorld(t)
	known := newChip(t)
	w.know(known, "SN-1")
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	_, err := w.begin(c.begin(), token)
	refused(t, err, "the inventory has another endorsement key for it")

	first := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-2"})
	cert, _ := w.introduce(c, first)
	_, err = w.enrol(c, cert, first)
	require.NoError(t, err)
	another := newChip(t)
	m.vouch(another, nil)
	_, err = w.begin(another.begin(), w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-2", Replace: true}))
	refused(t, err, "the identity is bound to another TPM")

	// A chip that two identities claim is the inventory's.
	late, word := newChip(t), w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-3"})
	m.vouch(late, nil)
	stolen, _ := w.introduce(late, word)
	w.know(late, "SN-4")
	_, err = w.ca.AttestationKey(t.Context(), stolen)
	refused(t, err, "in no inventory")
}

// What a TPM has said of one key is nothing for a request with another.
func TestAttestedKeyIsTheRequests(t *testing.T) {
	w := newWorld(t, tpmPolicy)
	c := newChip(t)
	w.know(c, "SN-1")
	cert, nonce := w.introduce(c)
	key := newKey(t)
	csr := enrolltest.CSR(t, key)
	attested, err := w.ca.Attested(t.Context(), c.attest(cert, nonce, csr, key), csr, home)
	require.NoError(t, err)
	_, err = w.ca.Admit(t.Context(), enroll.Claim{CSR: enrolltest.CSR(t, newKey(t)), From: home, TPM: attested})
	var denied *ca.DeniedError
	require.ErrorAs(t, err, &denied)
	require.Contains(t, denied.Reason, "not the one that its TPM has attested")
}

// A maker whom the role believes no more vouches for nothing that is new: whoever shows a
// token needs his word, also where the record knows the TPM. That alone goes on.
func TestMakerNoMore(t *testing.T) {
	w, _, c := vouchedWorld(t)
	token := w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1"})
	cert, _ := w.introduce(c, token)
	_, err := w.enrol(c, cert, token)
	require.NoError(t, err)
	_, err = w.ca.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(tpmPolicy), enroll.AnyVersion)
	require.NoError(t, err)
	_, err = w.begin(c.begin(), w.ca.Token(enroll.TokenRequest{Role: "pump", Name: "SN-1", Replace: true}))
	refused(t, err, "no root of its role vouches")
	_, err = w.begin(c.begin(), "")
	require.NoError(t, err)
}
