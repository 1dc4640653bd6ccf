package enroll_test

import (
	"crypto/sha256"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// A role that takes two proofs takes two: whoever shows one good one is told what is
// lacking, a stranger is not, and what was shown in vain is not used up.
func TestSeveralProofs(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "proofs = 2")
		c.Inventory("pump", "pump-1", "SN 1")
		_, chain := m.Device("SN 1")
		token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-1"})
		admit := func(claim enroll.Claim) error {
			claim.From = home
			if claim.CSR == nil {
				claim.CSR = newCSR(t)
			}
			_, err := c.Admit(t.Context(), claim)
			return err
		}
		err := admit(enroll.Claim{Token: token})
		deniedSaying(t, err, "2 independent proofs, and 1 was shown (token); there is also: its birth certificate, a person's approval")
		deniedSaying(t, admit(enroll.Claim{Birth: chain}), "(birth); there is also: a join token")
		require.Equal(t, enroll.ErrUnauthenticated, admit(enroll.Claim{}))
		require.Equal(t, enroll.ErrUnauthenticated, admit(enroll.Claim{Role: "pump", Ask: true}), "one is too few, and not known")
		require.Empty(t, c.Audit("certificate.issue"))
		require.Equal(t, store.Pending, c.Identity("pump/pump-1").State)

		csr := newCSR(t)
		require.NoError(t, admit(enroll.Claim{CSR: csr, Token: token, Birth: chain}))
		require.NoError(t, admit(enroll.Claim{CSR: csr, Token: token, Birth: chain}), "a reply may get lost")
		issued := c.Audit("certificate.issue")
		require.Len(t, issued, 1)
		require.Equal(t, []any{"birth:SN 1", "token:" + tokenID(t, token).String()}, issued[0].Detail["proofs"])
		require.ErrorIs(t, admit(enroll.Claim{Token: token, Birth: chain}), enroll.ErrReused)
		c.Advance(time.Hour)
		require.NoError(t, admit(enroll.Claim{CSR: csr, Token: token, Birth: chain}), "the device is known for longer than its token")
		require.Equal(t, 1, c.Certificates("pump/pump-1"))

		// The key of another is alarmed about once, not by each proof.
		c.Inventory("pump", "pump-2", "SN 2")
		_, chain = m.Device("SN 2")
		token = c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-2"})
		require.ErrorIs(t, admit(enroll.Claim{CSR: csr, Token: token, Birth: chain}), store.ErrKeyTaken)
		require.Len(t, c.Audit("identity.suspect"), 1)
	})
}

// The network that a caller speaks from counts as one, and is none of somebody else.
func TestNetworkProof(t *testing.T) {
	c := enrolltest.New(t)
	inForce(t, c, "[role.pump]\nproofs = 2\nnetworks = ['192.0.2.0/24']\n[role.free]\nproofs = 2\nmethods = ['token', 'approval']\n")
	token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-1"})
	_, err := c.Enroll(t.Context(), token, netip.MustParseAddr("198.51.100.1"), newCSR(t))
	deniedSaying(t, err, "2 independent proofs")
	_, err = c.Enroll(t.Context(), token, home, newCSR(t))
	require.NoError(t, err)
	require.Contains(t, c.Audit("certificate.issue")[0].Detail["proofs"], "network:192.0.2.0/24")

	// That of a token, too.
	token = c.Token(enroll.TokenRequest{Role: "free", Name: "a", Network: netip.MustParsePrefix("192.0.2.7/32")})
	_, err = c.Enroll(t.Context(), token, home, newCSR(t))
	require.NoError(t, err)
	_, err = c.Enroll(t.Context(), c.Token(enroll.TokenRequest{Role: "free", Name: "b"}), home, newCSR(t))
	deniedSaying(t, err, "2 independent proofs")
}

// Two credentials of different identities are somebody's who has what is not his: nothing
// is issued or used up, and both are suspect.
func TestContradiction(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "")
		c.Inventory("pump", "pump-1", "SN 1")
		c.Inventory("pump", "pump-2", "SN 2")
		_, chain := m.Device("SN 1")
		token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-2"})
		_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: chain})
		deniedSaying(t, err, "of two identities")
		require.Len(t, c.Audit("identity.suspect"), 1)
		require.Empty(t, c.Audit("certificate.issue"))
		require.EqualValues(t, 1, c.Counts().Refused[enroll.ReasonProofs])
		for _, path := range []string{"pump/pump-1", "pump/pump-2"} {
			require.True(t, c.Identity(path).Suspect)
			require.Equal(t, store.Pending, c.Identity(path).State)
		}
		unspent, err := c.Store.Token(t.Context(), tokenID(t, token))
		require.NoError(t, err)
		require.Zero(t, unspent.Uses)

		// Whoever goes on with it is counted, and not written down as fast as he likes.
		var limited *enroll.RateLimitError
		for range 5 {
			_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: chain})
		}
		require.ErrorAs(t, err, &limited)
	})
}

// A pattern token and a birth certificate are of one identity, if the pattern covers the
// one that the inventory knows; and that is new.
func TestPatternAndBirth(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "proofs = 2")
	c.Inventory("pump", "pump-1", "SN 1")
	c.Inventory("pump", "other", "SN 2")
	token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-*", Uses: 5})
	_, chain := m.Device("SN 1")
	cert, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: chain})
	require.NoError(t, err)
	require.Equal(t, "/pump/pump-1", cert.URIs[0].Path)
	_, other := m.Device("SN 2")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: other})
	deniedSaying(t, err, "the token does not cover")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: chain})
	deniedSaying(t, err, "it takes a token that is bound to it")
}

// A device of the same make is not the device: one that the inventory does not know
// proves nothing beside a token that somebody has found, nor for what the inventory
// knows as another.
func TestBirthOfAnother(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "proofs = 2")
	c.Inventory("pump", "pump-1", "SN 1")
	_, bought := m.Device("SN 99")
	for _, name := range []string{"pump-1", "pump-*"} {
		token := c.Token(enroll.TokenRequest{Role: "pump", Name: name})
		_, err := c.Admit(t.Context(), enroll.Claim{CSR: enrolltest.CSR(t, enrolltest.NewKey(t), "pump/pump-9"), From: home, Token: token, Birth: bought})
		deniedSaying(t, err, `"SN 99" is not in the inventory`)
	}
	csr := newCSR(t)
	_, err := c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Birth: bought, Ask: true})
	var pending *enroll.PendingError
	require.ErrorAs(t, err, &pending)
	req, err := ca.ParseRequest(csr)
	require.NoError(t, err)
	_, err = c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: pending.ID, SPKI: req.SPKI(), Role: "pump", Name: "pump-1"})
	require.NoError(t, err)
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Birth: bought, Ask: true})
	deniedSaying(t, err, `the inventory has it with the serial number "SN 1"`)
	require.Empty(t, c.Audit("certificate.issue"))
}

// A genuine device that the inventory does not know may wait for a person, whose approval
// says who it is: the two are its proofs, and its birth key is remembered.
func TestBirthAndApproval(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "proofs = 2")
	_, chain := m.Device("SN 7")
	csr := newCSR(t)
	claim := enroll.Claim{CSR: csr, From: home, Birth: chain, Ask: true}
	_, err := c.Admit(t.Context(), claim)
	var pending *enroll.PendingError
	require.ErrorAs(t, err, &pending)
	req, err := ca.ParseRequest(csr)
	require.NoError(t, err)
	_, err = c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: pending.ID, SPKI: req.SPKI(), Role: "pump", Name: "pump-7"})
	require.NoError(t, err)
	cert, err := c.Admit(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, "/pump/pump-7", cert.URIs[0].Path)
	issued := c.Audit("certificate.issue")
	require.Equal(t, []any{"birth:SN 7", "approval:" + pending.ID.String()}, issued[0].Detail["proofs"])
	key := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)
	require.Equal(t, key[:], c.Identity("pump/pump-7").BirthSPKI)
	again, err := c.Admit(t.Context(), claim)
	require.NoError(t, err)
	require.Equal(t, cert.Raw, again.Raw)
}
