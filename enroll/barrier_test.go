package enroll_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A revocation, a suspension or a replacement that lands between the decision and
// the commit wins: the certificate that is already signed is dropped, the token or
// parent not used up, and the refusal recorded; on every engine.
func TestStaleGrantIsRefused(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(t *testing.T, c *enrolltest.CA, serial store.Serial)
	}{
		{"identity revoked", func(t *testing.T, c *enrolltest.CA, _ store.Serial) {
			alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
				_, err := tx.RevokeIdentity(ctx, "device/pump-1", 1)
				return err
			})
		}},
		{"certificate revoked", func(t *testing.T, c *enrolltest.CA, serial store.Serial) {
			alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
				_, _, err := tx.RevokeCertificate(ctx, serial, 1)
				return err
			})
		}},
		{"suspended", func(t *testing.T, c *enrolltest.CA, _ store.Serial) {
			_, err := c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
			require.NoError(t, err)
		}},
		{"suspended and resumed", func(t *testing.T, c *enrolltest.CA, _ store.Serial) {
			_, err := c.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
			require.NoError(t, err)
			_, err = c.Resume(t.Context(), enrolltest.Root, "device/pump-1")
			require.NoError(t, err)
		}},
	} {
		t.Run(change.name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
				parent := enrolled(t, c, "device", "pump-1")
				holder, err := c.Holder(t.Context(), parent, home)
				require.NoError(t, err)
				c.WhileSigning(func() { change.do(t, c, store.SerialOf(parent)) })
				_, err = c.Renew(t.Context(), holder, enrolltest.CSR(t, enrolltest.NewKey(t)))
				require.ErrorIs(t, err, store.ErrStale)
				require.Equal(t, 1, c.Certificates("device/pump-1"))
				require.Len(t, c.Audit("certificate.issue"), 1)
				require.Len(t, c.Audit("certificate.refuse"), 1)

				// The same with a token that replaces: it is not burnt by it.
				if c.Identity("device/pump-1").State != store.Active {
					return
				}
				token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
				c.WhileSigning(func() { change.do(t, c, store.SerialOf(parent)) })
				_, err = c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
				if change.name == "certificate revoked" {
					require.NoError(t, err, "revoking twice changes nothing, and no certificate was presented")
					return
				}
				require.ErrorIs(t, err, store.ErrStale)
				require.Equal(t, 1, c.Certificates("device/pump-1"))
				unspent, err := c.Store.Token(t.Context(), tokenID(t, token))
				require.NoError(t, err)
				require.Zero(t, unspent.Uses)
			})
		})
	}
}

// A token that is revoked between the decision and the commit buys nothing.
func TestTokenRevokedWhileSigning(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		c.WhileSigning(func() {
			require.NoError(t, c.RevokeToken(t.Context(), enrolltest.Root, tokenID(t, token)))
		})
		_, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.Equal(t, enroll.ErrUnauthenticated, err)
		require.Empty(t, c.Audit("certificate.issue"))
		require.Equal(t, store.Pending, c.Identity("device/pump-1").State)
	})
}

// A policy that changes between the decision and the commit decides again, once:
// what is issued is what the new one says.
func TestPolicyChangeDecidesAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		set := func(text string) func() {
			return func() {
				_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
				require.NoError(t, err)
			}
		}
		shorter := strings.Replace(enrolltest.Policy, "[role.device]", "[role.device]\nlifetime = \"1h\"", 1)

		token := c.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
		c.WhileSigning(set(shorter))
		cert, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.NoError(t, err)
		require.WithinDuration(t, c.Now().Add(time.Hour), cert.NotAfter, time.Minute)
		row, err := c.Store.Certificate(t.Context(), store.SerialOf(cert))
		require.NoError(t, err)
		require.Equal(t, int64(2), row.Policy)

		// A new policy that says no is heard.
		token = c.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})
		c.WhileSigning(set("[role.gateway]"))
		_, err = c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		var denied *ca.DeniedError
		require.ErrorAs(t, err, &denied)
		require.Zero(t, c.Certificates("device/pump-2"))
		set(enrolltest.Policy)()

		// One that changes again is not waited for.
		token = c.Token(enroll.TokenRequest{Role: "device", Name: "pump-3"})
		c.WhileSigning(func() {
			set(shorter)()
			c.WhileSigning(set(enrolltest.Policy))
		})
		_, err = c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.ErrorIs(t, err, store.ErrStale)
		require.Zero(t, c.Certificates("device/pump-3"))
	})
}

// A proof whose demand is not met issues nothing and uses nothing up, whatever
// the demand is; and the refusal is recorded, though the caller has hung up.
func TestUnmetProof(t *testing.T) {
	c := enrolltest.New(t)
	parent := enrolled(t, c, "device", "pump-1")
	holder, err := c.Holder(t.Context(), parent, home)
	require.NoError(t, err)
	req, err := ca.ParseRequest(enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	ctx, hangUp := context.WithCancel(t.Context())
	proof := &faultyProof{token: store.TokenID{1}, hangUp: hangUp}
	_, err = c.Issue(ctx, enroll.Applicant{Identity: holder.Applicant, Proof: proof}, req)
	require.ErrorIs(t, err, store.ErrSpent)
	require.Equal(t, 1, c.Certificates("device/pump-1"))
	require.Len(t, c.Audit("certificate.refuse"), 1)
}

// alone commits what f demands, as package revoke does.
func alone(t *testing.T, c *enrolltest.CA, f func(context.Context, *store.AloneTx) error) {
	t.Helper()
	require.NoError(t, c.Store.UpdateAlone(t.Context(), func(ctx context.Context, tx *store.AloneTx) (audit.Event, error) {
		return audit.Event{Action: "identity.revoke", Actor: "uid:0", Outcome: "ok"}, f(ctx, tx)
	}))
}
