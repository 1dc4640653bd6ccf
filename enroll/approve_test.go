package enroll_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A person can approve no more than policy and the state of things have room for, and is
// told what is wrong. Whatever is refused leaves the machine waiting, and no identity.
func TestApproveRefuses(t *testing.T) {
	c := askCA(t)
	enrolled(t, c, "device", "active")
	enrolled(t, c, "device", "suspended")
	_, err := c.Suspend(t.Context(), enrolltest.Root, "device/suspended")
	require.NoError(t, err)
	_, err = c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "owned", Owner: "icu"})
	require.NoError(t, err)
	p, key := waits(t, c)
	operator := enroll.Actor{Name: "operator/anna", Address: home}
	var denied *ca.DeniedError
	var conflict *enroll.ConflictError
	var bad *api.BadRequestError
	for name, tt := range map[string]struct {
		by     enroll.Actor
		change func(*enroll.Approval)
		want   any
	}{
		"another key":              {operator, func(a *enroll.Approval) { a.SPKI[31] ^= 1 }, &conflict},
		"another request":          {operator, func(a *enroll.Approval) { a.Request[0] ^= 1 }, store.ErrNotFound},
		"nobody":                   {operator, func(a *enroll.Approval) { a.Role, a.Name = "", "" }, &bad},
		"another role":             {operator, func(a *enroll.Approval) { a.Role = "gateway" }, &conflict},
		"a privileged role":        {enrolltest.Root, func(a *enroll.Approval) { a.Role = "operator" }, &conflict},
		"a name of no device":      {operator, func(a *enroll.Approval) { a.Name = "a.b" }, &denied},
		"a pattern":                {operator, func(a *enroll.Approval) { a.Name = "pump-*" }, &denied},
		"one that has enrolled":    {operator, func(a *enroll.Approval) { a.Name = "active" }, &conflict},
		"one that is suspended":    {operator, func(a *enroll.Approval) { a.Name, a.Replace = "suspended", true }, &conflict},
		"one of another owner":     {operator, func(a *enroll.Approval) { a.Name, a.Owner = "owned", "ward 3" }, &conflict},
		"an owner of great length": {operator, func(a *enroll.Approval) { a.Owner = string(make([]byte, 257)) }, &bad},
	} {
		t.Run(name, func(t *testing.T) {
			a := as(t, p, key, "pump-1")
			tt.change(&a)
			_, err := c.Approve(t.Context(), tt.by, a)
			if sentinel, ok := tt.want.(error); ok {
				require.ErrorIs(t, err, sentinel)
			} else {
				require.ErrorAs(t, err, tt.want)
			}
		})
	}
	require.Empty(t, c.Audit("request.approve"))
	require.Len(t, c.Audit("admin.refuse"), 2)
	ids, _, err := c.Store.Identities(t.Context(), store.IdentityFilter{State: store.Pending}, store.Page{})
	require.NoError(t, err)
	require.Len(t, ids, 1)
	_, err = ask(t, c, key)
	pending(t, err)
}

// Nobody gets into a privileged role by an approval, be it root who gives it: also not
// where such a request is on record.
func TestApprovePrivileged(t *testing.T) {
	c := askCA(t)
	key := enrolltest.NewKey(t)
	_, spki := spkiOf(t, key)
	q := store.Request{ID: store.RequestID{1}, SPKI: spki, CSR: enrolltest.CSR(t, key), Nonce: []byte{1}, Role: "operator", Expires: c.Now().Add(time.Hour)}
	require.NoError(t, c.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertRequest(q, 1, 1, 1)
		return audit.Event{Action: "test.ask", Actor: "self", Outcome: "ok"}
	}))
	var denied *ca.DeniedError
	_, err := c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: q.ID, SPKI: spki, Role: "operator", Name: "mallory"})
	require.ErrorAs(t, err, &denied)
	require.Len(t, c.Audit("admin.refuse"), 1)
}

// An identity that has enrolled is approved again only to replace what it holds, which
// is revoked when the machine has its certificate, and not before.
func TestApproveReplaces(t *testing.T) {
	askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		first := enrolled(t, c, "device", "pump-1")
		p, key := waits(t, c)
		a := as(t, p, key, "pump-1")
		a.Replace = true
		_, err := c.Approve(t.Context(), enrolltest.Root, a)
		require.NoError(t, err)
		_, err = c.Store.Revocation(t.Context(), store.SerialOf(first))
		require.ErrorIs(t, err, store.ErrNotFound)
		second, err := ask(t, c, key)
		require.NoError(t, err)
		revocation, err := c.Store.Revocation(t.Context(), store.SerialOf(first))
		require.NoError(t, err)
		require.Equal(t, 4, revocation.Reason, "superseded")
		_, err = c.Holder(t.Context(), second, home)
		require.NoError(t, err)
	})
}

// Of any number of people who approve at once one decides, and the others are told who;
// none of the names that they had in mind is put on record but one.
func TestApproveOnce(t *testing.T) {
	askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		p, key := waits(t, c)
		const people = 10
		_, errs := race(people, func(i int) (*x509.Certificate, error) {
			_, err := c.Approve(t.Context(), enrolltest.Root, as(t, p, key, "pump-"+string(rune('a'+i))))
			return nil, err
		})
		require.Len(t, errs, people-1)
		for _, err := range errs {
			var conflict *enroll.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Contains(t, err.Error(), "approved as device/pump-")
		}
		require.Len(t, c.Audit("request.approve"), 1)
		ids, _, err := c.Store.Identities(t.Context(), store.IdentityFilter{Role: "device"}, store.Page{})
		require.NoError(t, err)
		require.Len(t, ids, 1)
		require.Equal(t, c.Audit("request.approve")[0].Subject, ids[0].Path)
	})
}

// However often an approved machine asks at once, it gets one certificate.
func TestApprovalUsedOnce(t *testing.T) {
	askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		p, key := waits(t, c)
		approve(t, c, p, key, "pump-1")
		csr := enrolltest.CSR(t, key)
		certs, errs := race(10, func(int) (*x509.Certificate, error) {
			return c.Admit(t.Context(), enroll.Claim{CSR: csr, From: home, Role: "device", Ask: true})
		})
		require.Empty(t, errs)
		for _, cert := range certs {
			require.Equal(t, certs[0].Raw, cert.Raw)
		}
		require.Equal(t, 1, c.Certificates("device/pump-1"))
		require.Len(t, c.Audit("certificate.issue"), 1)
	})
}

// Until the certificate is on record denying wins, and so does whatever else takes the
// approval away: what was signed already is dropped.
func TestApprovalOvertaken(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, c *enrolltest.CA, p *enroll.PendingError, spki [32]byte)
		want   any
	}{
		"denied": {func(t *testing.T, c *enrolltest.CA, p *enroll.PendingError, spki [32]byte) {
			_, err := c.Deny(t.Context(), enrolltest.Root, p.ID, spki)
			require.NoError(t, err)
		}, new(*ca.DeniedError)},
		"lapsed": {func(_ *testing.T, c *enrolltest.CA, _ *enroll.PendingError, _ [32]byte) {
			c.Advance(24 * time.Hour)
		}, store.ErrStale},
		"policy without it": {func(t *testing.T, c *enrolltest.CA, _ *enroll.PendingError, _ [32]byte) {
			setPolicy(t, c, "[role.device]\n")
		}, new(*ca.DeniedError)},
		"identity revoked": {func(t *testing.T, c *enrolltest.CA, _ *enroll.PendingError, _ [32]byte) {
			alone(t, c, func(ctx context.Context, tx *store.AloneTx) error {
				_, err := tx.RevokeIdentity(ctx, "device/pump-1", 1)
				return err
			})
		}, new(*ca.DeniedError)},
		"identity enrolled otherwise": {func(t *testing.T, c *enrolltest.CA, _ *enroll.PendingError, _ [32]byte) {
			enrolled(t, c, "device", "pump-1")
		}, store.ErrStale},
	} {
		t.Run(name, func(t *testing.T) {
			askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
				p, key := waits(t, c)
				_, spki := spkiOf(t, key)
				approve(t, c, p, key, "pump-1")
				c.WhileSigning(func() { tt.change(t, c, p, spki) })
				_, err := ask(t, c, key)
				if sentinel, ok := tt.want.(error); ok {
					require.ErrorIs(t, err, sentinel)
				} else {
					require.ErrorAs(t, err, tt.want)
				}
				_, spki = spkiOf(t, key)
				_, err = c.Store.CertificateByKey(t.Context(), spki)
				require.ErrorIs(t, err, store.ErrNotFound)
				_, err = ask(t, c, key)
				require.Error(t, err, "nor does it get one afterwards")
			})
		})
	}
}

// Who was denied is told so, and cannot be approved any more; who has its certificate
// cannot be denied.
func TestDeny(t *testing.T) {
	c := askCA(t)
	var denied *ca.DeniedError
	var conflict *enroll.ConflictError
	p, key := waits(t, c)
	_, spki := spkiOf(t, key)
	_, err := c.Deny(t.Context(), enrolltest.Root, p.ID, [32]byte{})
	require.ErrorAs(t, err, &conflict)
	_, err = c.Deny(t.Context(), enrolltest.Root, store.RequestID{}, spki)
	require.ErrorIs(t, err, store.ErrNotFound)
	q, err := c.Deny(t.Context(), enroll.Actor{Name: "operator/anna"}, p.ID, spki)
	require.NoError(t, err)
	require.Equal(t, store.RequestDenied, q.State)
	_, err = ask(t, c, key)
	require.ErrorAs(t, err, &denied)
	_, err = c.Approve(t.Context(), enrolltest.Root, as(t, p, key, "pump-1"))
	require.ErrorAs(t, err, &conflict)
	require.Contains(t, err.Error(), "operator/anna")
	_, err = c.Deny(t.Context(), enrolltest.Root, p.ID, spki)
	require.ErrorAs(t, err, &conflict)

	p, key = waits(t, c)
	_, spki = spkiOf(t, key)
	approve(t, c, p, key, "pump-1")
	_, err = ask(t, c, key)
	require.NoError(t, err)
	_, err = c.Deny(t.Context(), enrolltest.Root, p.ID, spki)
	require.ErrorAs(t, err, &conflict)
	c.Stop()
	require.Len(t, c.Audit("request.deny"), 1)
	require.Len(t, c.Audit("request.refuse"), 1)
	require.EqualValues(t, 1, c.Counts().Refused[enroll.ReasonDenied])
}

// An identity that is retired is not let in by an approval of before.
func TestRetireDenies(t *testing.T) {
	c := askCA(t)
	enrolled(t, c, "device", "pump-1")
	p, key := waits(t, c)
	a := as(t, p, key, "pump-1")
	a.Replace = true
	_, err := c.Approve(t.Context(), enrolltest.Root, a)
	require.NoError(t, err)
	_, err = c.Retire(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	var denied *ca.DeniedError
	_, err = ask(t, c, key)
	require.ErrorAs(t, err, &denied)
	require.Contains(t, err.Error(), "a person denied it")
}

// Where a role takes two proofs, a token and a person's approval are two: neither is
// enough, the approver sees the token, and cannot take the machine for somebody else than
// the token does.
func TestApprovalAndToken(t *testing.T) {
	askEachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		var denied *ca.DeniedError
		var conflict *enroll.ConflictError
		for _, name := range []string{"a-1", "a-*"} { // of one identity, and for a pattern
			token := c.Token(enroll.TokenRequest{Role: "pair", Name: name})
			key := enrolltest.NewKey(t)
			claim := enroll.Claim{CSR: enrolltest.CSR(t, key, "pair/a-1"), From: home, Token: token}
			if name == "a-*" {
				claim.CSR = enrolltest.CSR(t, key, "pair/a-2")
			}
			_, err := c.Admit(t.Context(), claim)
			require.ErrorAs(t, err, &denied)
			claim.Ask = true
			_, err = c.Admit(t.Context(), claim)
			p := pending(t, err)
			q, err := c.Store.Request(t.Context(), p.ID)
			require.NoError(t, err)
			path := "pair/" + map[string]string{"a-1": "a-1", "a-*": "a-2"}[name]
			require.Equal(t, path, q.Identity)
			require.Equal(t, "token:"+tokenID(t, token).String(), q.Proofs)

			_, spki := spkiOf(t, key)
			_, err = c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: p.ID, SPKI: spki, Role: "pair", Name: "a-9"})
			require.ErrorAs(t, err, &conflict)
			_, err = c.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: p.ID, SPKI: spki})
			require.NoError(t, err)
			if name == "a-*" {
				_, err = c.Store.Identity(t.Context(), path)
				require.ErrorIs(t, err, store.ErrNotFound, "it is the token that makes it")
			}
			alone := claim
			alone.Token, alone.Role = "", "pair"
			_, err = c.Admit(t.Context(), alone)
			require.ErrorIs(t, err, enroll.ErrUnauthenticated, "the approval alone is not enough")
			alone = claim
			alone.Ask = false
			_, err = c.Admit(t.Context(), alone)
			require.ErrorAs(t, err, &denied, "nor is the token")
			cert, err := c.Admit(t.Context(), claim)
			require.NoError(t, err)
			again, err := c.Admit(t.Context(), claim)
			require.NoError(t, err)
			require.Equal(t, cert.Raw, again.Raw)
			require.Equal(t, 1, c.Certificates(path))
			spent, err := c.Store.Token(t.Context(), tokenID(t, token))
			require.NoError(t, err)
			require.Equal(t, 1, spent.Uses)
			q, err = c.Store.Request(t.Context(), p.ID)
			require.NoError(t, err)
			require.Equal(t, store.RequestUsed, q.State)
		}
	})
}
