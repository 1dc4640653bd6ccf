package enroll_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// enlist enrols people, each a path and an owner. Their tokens are all made before the
// first of them enrols: afterwards that takes two.
func enlist(t *testing.T, c *enrolltest.CA, people ...[2]string) map[string]enroll.Actor {
	t.Helper()
	tokens := make(map[string]string)
	for _, p := range people {
		role, name, _ := strings.Cut(p[0], "/")
		tokens[p[0]] = c.Token(enroll.TokenRequest{Role: role, Name: name, Owner: p[1]})
	}
	actors := make(map[string]enroll.Actor)
	for path, token := range tokens {
		cert, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.NoError(t, err)
		serial := store.SerialOf(cert)
		actors[path] = enroll.Actor{Name: path, Address: home, Serial: &serial}
	}
	return actors
}

// pends demands that something waits for another person, and returns its proposal.
func pends(t *testing.T, err error) store.Proposal {
	t.Helper()
	var e *enroll.ConsentError
	require.ErrorAs(t, err, &e)
	return e.Proposal
}

// state returns how far a proposal has come.
func (w *world) state(id store.ProposalID) store.ProposalState {
	w.t.Helper()
	p, err := w.Store.Proposal(w.t.Context(), id)
	require.NoError(w.t, err)
	return p.State
}

// A world is a CA with three people of two owners who can agree.
type world struct {
	*enrolltest.CA
	t                   *testing.T
	ada, ann, bob, cleo enroll.Actor
	all                 map[string]enroll.Actor
}

func newWorld(t *testing.T, c *enrolltest.CA, more ...[2]string) *world {
	a := enlist(t, c, append(more, [2]string{"admin/ada", "IT"}, [2]string{"admin/ann", "it"}, [2]string{"officer/bob", "Ward 3"}, [2]string{"auditor/cleo", "Audit"})...)
	return &world{c, t, a["admin/ada"], a["admin/ann"], a["officer/bob"], a["auditor/cleo"], a}
}

var newAdmin = enroll.TokenRequest{Role: "admin", Name: "dora", Owner: "Lab"}

func (w *world) make(by enroll.Actor, req enroll.TokenRequest) error {
	_, err := w.CreateToken(w.t.Context(), by, req)
	return err
}

// agree has a person say yes to a proposal as it is on record.
func (w *world) agree(by enroll.Actor, p store.Proposal) error {
	_, err := w.Consent(w.t.Context(), by, p.ID, p.Digest)
	return err
}

func (w *world) revoke(serial store.Serial) {
	w.t.Helper()
	require.NoError(w.t, w.Store.UpdateAlone(w.t.Context(), func(ctx context.Context, tx *store.AloneTx) (audit.Event, error) {
		_, _, err := tx.RevokeCertificate(ctx, serial, 1)
		return audit.Event{Action: "certificate.revoke", Actor: "uid:0", Outcome: "ok"}, err
	}))
}

// Until two owners hold privileged certificates root makes privileged tokens alone, and
// nobody else does; from then on it takes two people, of whom root is none, and what they
// have agreed on is used once.
func TestTwoPeople(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		var denied *ca.DeniedError
		first := enlist(t, c, [2]string{"admin/eve", "IT"}, [2]string{"operator/otto", "it"})
		_, err := c.CreateToken(t.Context(), first["admin/eve"], newAdmin)
		require.ErrorAs(t, err, &denied)
		require.ErrorContains(t, err, "root")
		_, err = c.CreateToken(t.Context(), enrolltest.Root, newAdmin)
		require.NoError(t, err)
		require.Equal(t, false, c.Audit("token.bootstrap")[0].Detail["again"])

		w := newWorld(t, c)
		bootstraps := len(c.Audit("token.bootstrap"))
		for _, by := range []enroll.Actor{w.ada, enrolltest.Root} {
			p := pends(t, w.make(by, newAdmin))
			require.Equal(t, p.ID, pends(t, w.make(by, newAdmin)).ID, "the same command is the same proposal")
			require.Equal(t, by.Name, p.By)
			require.ErrorAs(t, w.agree(enrolltest.Root, p), &denied)
			require.NoError(t, w.agree(w.bob, p))
			if by.Root { // who never counts
				pends(t, w.make(by, newAdmin))
				require.NoError(t, w.agree(w.cleo, p))
			}
			require.Equal(t, store.ProposalApproved, w.state(p.ID))
			require.NoError(t, w.make(by, newAdmin))
			require.Equal(t, store.ProposalUsed, w.state(p.ID))
			require.NotEqual(t, p.ID, pends(t, w.make(by, newAdmin)).ID, "it was used")
		}
		require.Len(t, c.Audit("token.bootstrap"), bootstraps)
		made := c.Audit("token.create")
		require.Len(t, made, 2)
		require.Equal(t, []any{"admin/ada", "officer/bob"}, made[0].Detail["consents"])
		require.Equal(t, []any{"auditor/cleo", "officer/bob"}, made[1].Detail["consents"])
		require.Len(t, c.Audit("proposal.create"), 4)
		require.Len(t, c.Audit("consent.give"), 3)
	})
}

// Nobody agrees with himself, by whatever identity; nobody agrees who is nobody any more;
// and what was not looked at is not agreed to.
func TestConsentRefuses(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c, [2]string{"admin/none", ""}, [2]string{"operator/out", "Ward 9"}, [2]string{"operator/gone", "Ward 8"})
	more := w.all
	p := pends(t, w.make(w.ada, newAdmin))
	_, err := c.Suspend(t.Context(), enrolltest.Root, "operator/out")
	require.NoError(t, err)
	w.revoke(*more["operator/gone"].Serial)
	stolen := w.bob
	stolen.Serial = w.ada.Serial
	pump := enlist(t, c, [2]string{"device/pump", "Ward 7"})["device/pump"]
	refused := len(c.Audit("admin.refuse"))
	for name, by := range map[string]enroll.Actor{
		"himself": w.ada, "the same owner": w.ann, "nobody answers": more["admin/none"], "suspended": more["operator/out"], "revoked": more["operator/gone"],
		"another's certificate": stolen, "a machine": pump, "root": enrolltest.Root,
	} {
		var denied *ca.DeniedError
		require.ErrorAs(t, w.agree(by, p), &denied, name)
	}
	require.Len(t, c.Audit("admin.refuse"), refused+8)
	require.Empty(t, c.Audit("consent.give"))

	var conflict *enroll.ConflictError
	_, err = c.Consent(t.Context(), w.bob, p.ID, [32]byte{1})
	require.ErrorAs(t, err, &conflict)
	_, err = c.Consent(t.Context(), w.bob, store.ProposalID{1}, p.Digest)
	require.ErrorIs(t, err, store.ErrNotFound)

	// Who says no has said it for the time of the proposal.
	_, err = c.Refuse(t.Context(), w.bob, p.ID)
	require.NoError(t, err)
	require.ErrorAs(t, w.agree(w.cleo, p), &conflict)
	require.ErrorAs(t, w.make(w.ada, newAdmin), &conflict)

	late := pends(t, w.make(w.ada, enroll.TokenRequest{Role: "admin", Name: "late"}))
	c.Advance(24 * time.Hour)
	require.ErrorContains(t, w.agree(w.bob, late), "lapsed")
}

// A word counts when the thing is done: not any more where the certificate was revoked
// since, the person suspended, or another answers for him.
func TestConsentBecomesVoid(t *testing.T) {
	for name, spoil := range map[string]func(w *world){
		"revoked":   func(w *world) { w.revoke(*w.bob.Serial) },
		"suspended": func(w *world) { w.Suspend(w.t.Context(), enrolltest.Root, "officer/bob") },
		"another owner": func(w *world) {
			require.NoError(w.t, w.Store.Update(w.t.Context(), func(tx *store.Tx) audit.Event {
				tx.Attest("officer/bob", "IT")
				return audit.Event{Action: "identity.attest", Actor: "uid:0", Outcome: "ok"}
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
				w := newWorld(t, c)
				p := pends(t, w.make(w.ada, newAdmin))
				require.NoError(t, w.agree(w.bob, p))
				spoil(w)
				err := w.make(w.ada, newAdmin)
				require.Equal(t, p.ID, pends(t, err).ID)
				require.ErrorContains(t, err, "officer/bob")
				require.Equal(t, store.ProposalOpen, w.state(p.ID))
				require.Len(t, c.Audit("proposal.reopen"), 1)
				require.NoError(t, w.agree(w.cleo, p))
				require.NoError(t, w.make(w.ada, newAdmin))
				require.Equal(t, []any{"admin/ada", "auditor/cleo"}, c.Audit("token.create")[0].Detail["consents"])
			})
		})
	}
}

// The owner of a person is not changed by one alone, and no more does an inventory have
// people.
func TestOwnersStay(t *testing.T) {
	c := enrolltest.New(t)
	more := enlist(t, c, [2]string{"admin/none", ""})
	_, err := c.AttestIdentity(t.Context(), enrolltest.Root, "admin/none", "IT")
	require.NoError(t, err, "there is nobody yet to agree with")
	require.NotNil(t, more)
	newWorld(t, c)
	var denied *ca.DeniedError
	_, err = c.AttestIdentity(t.Context(), enrolltest.Root, "admin/none", "Elsewhere")
	require.ErrorAs(t, err, &denied)
	_, err = c.AttestIdentity(t.Context(), enrolltest.Root, "admin/none", "")
	require.NoError(t, err)
	_, err = c.Import(t.Context(), enrolltest.Root, "admin", []enroll.ImportLine{{Serial: "1", Name: "none", Owner: "Elsewhere"}}, false)
	require.ErrorAs(t, err, &denied)
	require.Equal(t, "IT", c.Identity("admin/none").Owner)
}

// What is agreed on is agreed on to the letter, and for the one who proposed it.
func TestConsentIsOfOneThing(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	p := pends(t, w.make(w.ada, newAdmin))
	require.NoError(t, w.agree(w.bob, p))
	for _, change := range []func(*enroll.TokenRequest){
		func(r *enroll.TokenRequest) { r.TTL = 2 * time.Hour },
		func(r *enroll.TokenRequest) { r.Name = "*"; r.Uses = 9 },
		func(r *enroll.TokenRequest) { r.Owner = "Ward 3" },
		func(r *enroll.TokenRequest) { r.EAB = true },
	} {
		req := newAdmin
		change(&req)
		require.NotEqual(t, p.ID, pends(t, w.make(w.ada, req)).ID)
	}
	require.NotEqual(t, p.ID, pends(t, w.make(w.ann, newAdmin)).ID, "whoever she is")
	require.NoError(t, w.make(w.ada, newAdmin))
}

// Whoever writes the name of a department in another way makes no second one of it.
func TestOneOwner(t *testing.T) {
	c := enrolltest.New(t)
	all := enlist(t, c, [2]string{"admin/ada", "Station M\u00fcller"}, [2]string{"officer/bob", "STATION  Mu\u0308ller"}, [2]string{"operator/otto", "\uff33tation M\u00fcller"})
	var denied *ca.DeniedError
	_, err := c.CreateToken(t.Context(), all["admin/ada"], newAdmin)
	require.ErrorAs(t, err, &denied, "there are no two owners")
	_, err = c.CreateToken(t.Context(), enrolltest.Root, newAdmin)
	require.NoError(t, err, "so that root is alone")
}

// Of any number who use an agreement at once, one does.
func TestConsentIsUsedOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		w := newWorld(t, c)
		p := pends(t, w.make(w.ada, newAdmin))
		require.NoError(t, w.agree(w.bob, p))
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() { _, errs[i] = c.CreateToken(context.Background(), w.ada, newAdmin) })
		}
		all.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
				continue
			}
			_, waits := errors.AsType[*enroll.ConsentError](err)
			_, conflict := errors.AsType[*enroll.ConflictError](err)
			require.True(t, waits || conflict, "%v", err)
		}
		require.Equal(t, 1, made)
		require.Len(t, c.Audit("token.create"), 1)
	})
}

// One person makes so many proposals in a day and no more.
func TestProposalsAreBounded(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	for i := range 50 {
		pends(t, w.make(w.ada, enroll.TokenRequest{Role: "admin", Name: "dora", TTL: time.Hour + time.Duration(i)*time.Second}))
	}
	var limit *enroll.RateLimitError
	require.ErrorAs(t, w.make(w.ada, newAdmin), &limit)
	pends(t, w.make(w.bob, newAdmin))
}

// Who is left alone, because the others were suspended, is as at the beginning; and the
// log says that it is not the first time.
func TestAloneAgain(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	pends(t, w.make(enrolltest.Root, newAdmin))
	for _, path := range []string{"officer/bob", "auditor/cleo"} {
		_, err := c.Suspend(t.Context(), enrolltest.Root, path)
		require.NoError(t, err)
	}
	require.NoError(t, w.make(enrolltest.Root, newAdmin))
	made := c.Audit("token.bootstrap")
	require.Equal(t, true, made[len(made)-1].Detail["again"])
}
