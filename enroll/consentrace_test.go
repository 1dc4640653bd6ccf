package enroll_test

import (
	"context"
	"errors"
	"fmt"
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

// A consent and the end of its certificate may come at once: either the thing is done
// before the revocation, or it is not done.
func TestConsentRacesRevocation(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		const rounds = 6
		var more [][2]string
		for i := range rounds {
			more = append(more, [2]string{fmt.Sprintf("operator/o%d", i), fmt.Sprintf("Ward 1%d", i)})
		}
		w := newWorld(t, c, more...)
		for i := range rounds {
			req := enroll.TokenRequest{Role: "admin", Name: fmt.Sprintf("n%d", i), Owner: "Lab"}
			second := w.all[more[i][0]]
			p := pends(t, w.make(w.ada, req))
			require.NoError(t, w.agree(second, p))
			var both sync.WaitGroup
			var made, revoked error
			both.Go(func() { _, made = c.CreateToken(context.Background(), w.ada, req) })
			both.Go(func() {
				revoked = c.Store.UpdateAlone(context.Background(), func(ctx context.Context, tx *store.AloneTx) (audit.Event, error) {
					_, _, err := tx.RevokeCertificate(ctx, *second.Serial, 1)
					return audit.Event{Action: "certificate.revoke", Actor: "uid:0", Subject: more[i][0], Outcome: "ok"}, err
				})
			})
			both.Wait()
			require.NoError(t, revoked)
			ends := c.Audit("certificate.revoke")
			if made != nil {
				require.Equal(t, p.ID, pends(t, made).ID)
				require.Equal(t, store.ProposalOpen, w.state(p.ID))
				continue
			}
			tokens := c.Audit("token.create")
			require.Less(t, tokens[len(tokens)-1].Seq, ends[len(ends)-1].Seq, "it was done when the word was void")
		}
	})
}

// People who agree to each other's proposals at once do not wait for each other for ever.
func TestConsentsCross(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		w := newWorld(t, c)
		const rounds = 8
		ask := func(by string, i int) enroll.TokenRequest {
			return enroll.TokenRequest{Role: "admin", Name: fmt.Sprintf("of-%s-%d", by, i), Owner: "Lab"}
		}
		var all sync.WaitGroup
		errs := make(chan error, 4*rounds)
		for i := range rounds {
			mine, hers := pends(t, w.make(w.bob, ask("bob", i))), pends(t, w.make(w.ada, ask("ada", i)))
			all.Go(func() { errs <- w.agree(w.ada, mine) })
			all.Go(func() { errs <- w.agree(w.bob, hers) })
		}
		all.Wait()
		for i := range rounds {
			all.Go(func() { errs <- w.make(w.bob, ask("bob", i)) })
			all.Go(func() { errs <- w.make(w.ada, ask("ada", i)) })
		}
		all.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
	})
}

// Who has proposed something goes on by the certificate that he has since, which the log
// says, and not by the one that was revoked.
func TestProposerComesBack(t *testing.T) {
	c := enrolltest.New(t)
	key := enrolltest.NewKey(t)
	token := c.Token(enroll.TokenRequest{Role: "admin", Name: "eve", Owner: "Ward 4"})
	w := newWorld(t, c)
	cert, err := c.Enroll(t.Context(), token, home, enrolltest.CSR(t, key))
	require.NoError(t, err)
	h, err := c.Holder(t.Context(), cert, home)
	require.NoError(t, err)
	serial := store.SerialOf(cert)
	eve := enroll.Actor{Name: "admin/eve", Address: home, Serial: &serial}
	p := pends(t, w.make(eve, newAdmin))
	require.Equal(t, "Ward 4", c.Audit("proposal.create")[0].Detail["owner"])
	require.NoError(t, w.agree(w.bob, p))

	cert, err = c.Renew(t.Context(), h, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	w.revoke(serial)
	err = w.make(eve, newAdmin)
	require.Error(t, err)
	_, waits := errors.AsType[*enroll.ConsentError](err)
	require.False(t, waits, "a revoked certificate says nothing: %v", err)
	require.Equal(t, store.ProposalApproved, w.state(p.ID))

	next := store.SerialOf(cert)
	eve.Serial = &next
	given := len(c.Audit("consent.give"))
	require.NoError(t, w.make(eve, newAdmin))
	words := c.Audit("consent.give")
	require.Len(t, words, given+1)
	require.Equal(t, []any{"admin/eve", "Ward 4"}, []any{words[given].Actor, words[given].Detail["owner"]})
	require.Equal(t, store.ProposalUsed, w.state(p.ID))
}

// A proposal that was approved and not used in its time is worth nothing; and nobody
// agrees by a certificate that has run out.
func TestApprovalLapses(t *testing.T) {
	c := enrolltest.New(t)
	text := enrolltest.Policy + "[role.admin]\nlifetime = '5d'\n[role.officer]\nlifetime = '5d'\n"
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "p", []byte(text), enroll.AnyVersion)
	require.NoError(t, err)
	w := newWorld(t, c) // cleo's certificate is for a day
	p := pends(t, w.make(w.ada, newAdmin))
	require.NoError(t, w.agree(w.bob, p))
	c.Advance(23 * time.Hour)
	late := pends(t, w.make(w.ada, enroll.TokenRequest{Role: "admin", Name: "late"}))
	c.Advance(time.Hour)
	require.NotEqual(t, p.ID, pends(t, w.make(w.ada, newAdmin)).ID)
	require.Empty(t, c.Audit("token.create"))
	var denied *ca.DeniedError
	require.ErrorAs(t, w.agree(w.cleo, late), &denied)
	require.ErrorContains(t, w.agree(w.cleo, late), "not in time")
	require.NoError(t, w.agree(w.bob, late))
}
