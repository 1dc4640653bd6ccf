package enroll_test

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
)

// One serial number with two birth keys is a forged device, or a new board: it takes a
// token that replaces to say that it is the latter.
func TestBirthKeyChanges(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "")
	c.Inventory("pump", "pump-1", "SN 1")
	_, chain := m.Device("SN 1")
	cert, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	require.NoError(t, err)
	revokeAll(t, c, cert)
	_, other := m.Device("SN 1")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: other})
	deniedSaying(t, err, "another birth certificate before")
	require.Len(t, c.Audit("identity.suspect"), 1)
	require.True(t, c.Identity("pump/pump-1").Suspect)

	token := c.Token(enroll.TokenRequest{Role: "pump", Name: "pump-1", Replace: true})
	cert, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: other, Token: token})
	require.NoError(t, err)
	revokeAll(t, c, cert)
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	deniedSaying(t, err, "another birth certificate before")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: other})
	require.NoError(t, err)
}

// The role that is asked for is the one of what is shown; and where the same number is
// known in two roles, it has to be said.
func TestClaimRole(t *testing.T) {
	c := enrolltest.New(t)
	m := enrolltest.NewManufacturer(t, "Pumps")
	inForce(t, c, pumps(m, "[role.spare]\nmethods = ['birth']\nmanufacturer_roots = '''\n"+m.PEM()+"'''\n"))
	c.Inventory("pump", "pump-1", "SN 1")
	c.Inventory("spare", "spare-1", "SN 1")
	_, chain := m.Device("SN 1")
	_, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain})
	deniedSaying(t, err, "more than one role")
	cert, err := c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain, Role: "spare"})
	require.NoError(t, err)
	require.Equal(t, "/spare/spare-1", cert.URIs[0].Path)

	token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Role: "pump"})
	deniedSaying(t, err, "for this role and no other")
	_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Token: token, Birth: chain, Role: "device"})
	require.NoError(t, err, "the role makes nothing of what was presented in TLS")
	require.Equal(t, store.Pending, c.Identity("pump/pump-1").State)
}

// A birth key is one machine's, and a machine is one identity: whoever a person took it for,
// it is nobody else after that, and nothing more once that is revoked. Another role gets it
// when it was retired in the first.
func TestBirthKeyIsOnes(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := enrolltest.NewManufacturer(t, "Pumps")
		inForce(t, c, pumps(m, "[role.spare]\nmethods = ['birth', 'approval']\nmanufacturer_roots = '''\n"+m.PEM()+"'''\n"))
		_, chain := m.Device("SN 1") // that no inventory knows
		claim, err := approvedBirth(t, c, chain, "pump", "pump-1")
		require.NoError(t, err)
		_, err = c.Admit(t.Context(), claim)
		require.NoError(t, err)

		_, err = approvedBirth(t, c, chain, "pump", "pump-2")
		var conflict *enroll.ConflictError
		require.ErrorAs(t, err, &conflict)
		require.Contains(t, err.Error(), "pump/pump-1, and of nobody else")
		_, err = approvedBirth(t, c, chain, "spare", "spare-1")
		deniedSaying(t, err, "that of an identity of another role")
		require.Len(t, c.Audit("identity.suspect"), 1)
		require.True(t, c.Identity("pump/pump-1").Suspect)

		_, err = c.Retire(t.Context(), enrolltest.Root, "pump/pump-1")
		require.NoError(t, err)
		claim, err = approvedBirth(t, c, chain, "spare", "spare-1")
		require.NoError(t, err)
		_, err = c.Admit(t.Context(), claim)
		require.NoError(t, err)
		c.Inventory("spare", "spare-3", "SN 1") // somebody has it under another name
		_, err = c.Admit(t.Context(), enroll.Claim{CSR: newCSR(t), From: home, Birth: chain, Role: "spare"})
		deniedSaying(t, err, "of two identities")
		require.Equal(t, store.Pending, c.Identity("spare/spare-3").State)
	})
}

// Nobody is asked about the birth certificate of a revoked identity, and it gets nothing.
func TestBirthKeyOfRevoked(t *testing.T) {
	c := enrolltest.New(t)
	m := born(t, c, "")
	_, chain := m.Device("SN 1")
	claim, err := approvedBirth(t, c, chain, "pump", "pump-1")
	require.NoError(t, err)
	_, err = c.Admit(t.Context(), claim)
	require.NoError(t, err)
	alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
		_, err := tx.RevokeIdentity(ctx, "pump/pump-1", 1)
		return err
	})
	_, err = approvedBirth(t, c, chain, "pump", "pump-2")
	deniedSaying(t, err, "the identity is revoked")
	waiting, err := c.Waiting(t.Context())
	require.NoError(t, err)
	require.Zero(t, waiting["pump"])
}

// approvedBirth is a claim by a birth certificate that was approved as that identity.
func approvedBirth(t *testing.T, c *enrolltest.CA, chain []*x509.Certificate, role, name string) (enroll.Claim, error) {
	t.Helper()
	claim := enroll.Claim{CSR: newCSR(t), From: home, Birth: chain, Ask: true, Role: role}
	_, err := c.Admit(t.Context(), claim)
	waits, ok := errors.AsType[*enroll.PendingError](err)
	if !ok {
		return claim, err
	}
	req, err := ca.ParseRequest(claim.CSR)
	require.NoError(t, err)
	_, err = c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: waits.ID, SPKI: req.SPKI(), Role: role, Name: name})
	return claim, err
}

// Of people who take one machine for several identities at one time, one is right.
func TestBirthKeyRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		m := born(t, c, "")
		_, chain := m.Device("SN 1")
		var claims []enroll.Claim
		for _, name := range []string{"pump-1", "pump-2", "pump-3"} {
			claim, err := approvedBirth(t, c, chain, "pump", name)
			require.NoError(t, err)
			claims = append(claims, claim)
		}
		c.WhileSigning(func() {
			_, err := c.Admit(t.Context(), claims[1])
			require.NoError(t, err)
		})
		_, err := c.Admit(t.Context(), claims[0])
		require.ErrorIs(t, err, store.ErrKeyTaken)
		_, err = c.Admit(t.Context(), claims[2])
		deniedSaying(t, err, "of two identities")
		require.Len(t, c.Audit("certificate.issue"), 1)
	})
}
