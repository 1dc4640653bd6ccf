package store

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// proposed is a proposal on record.
func proposed(t testing.TB, d *DB, by string) Proposal {
	t.Helper()
	p := Proposal{
		Kind: ProposePolicy, Subject: "policy/2", Digest: [32]byte{1}, Body: []byte(`{"a":1}`), Reason: "why", By: by,
		Created: fromMillis(d.cfg.Now().UnixMilli()), Expires: fromMillis(d.cfg.Now().Add(day).UnixMilli()), State: ProposalOpen,
	}
	rand.Read(p.ID[:])
	must(t, d, func(tx *Tx) { tx.InsertProposal(p) })
	return p
}

// deciding runs f in a transaction that may read.
func deciding(t testing.TB, d *DB, f func(context.Context, *AloneTx) error) {
	t.Helper()
	require.NoError(t, d.Decide(t.Context(), func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) {
		return []audit.Event{event()}, f(ctx, tx)
	}))
}

// What is written of a proposal and its consents is what is read, inside a transaction and
// outside; the newest of a digest is the one that counts.
func TestProposal(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		first := proposed(t, d, "admin/ada")
		now = now.Add(time.Second)
		p := proposed(t, d, "admin/ada")
		c := Consent{Path: "officer/bob", Owner: "ward 3", Serial: Serial{7}, At: now}
		must(t, d, func(tx *Tx) { tx.InsertConsent(p.ID, Consent{Path: "officer/bob", Owner: "before", Serial: Serial{6}}) })
		must(t, d, func(tx *Tx) { tx.InsertConsent(p.ID, c) })
		got, err := d.Proposal(t.Context(), p.ID)
		require.NoError(t, err)
		require.Equal(t, p, got)
		consents, err := d.Consents(t.Context(), p.ID)
		require.NoError(t, err)
		require.Equal(t, []Consent{c}, consents)
		deciding(t, d, func(ctx context.Context, tx *AloneTx) error {
			for _, read := range []func() (Proposal, error){
				func() (Proposal, error) { return tx.Proposal(ctx, p.ID) },
				func() (Proposal, error) { return tx.ProposalOf(ctx, p.Digest) },
			} {
				got, err := read()
				require.NoError(t, err)
				require.Equal(t, p, got)
			}
			consents, err := tx.Consents(ctx, p.ID)
			require.NoError(t, err)
			require.Equal(t, []Consent{c}, consents)
			n, err := tx.ProposalsSince(ctx, "admin/ada", now)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			ever, err := tx.Proposed(ctx)
			require.NoError(t, err)
			require.True(t, ever)
			_, err = tx.ProposalOf(ctx, [32]byte{9})
			require.ErrorIs(t, err, ErrNotFound)
			return nil
		})
		list, next, err := d.Proposals(t.Context(), true, Page{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, p.ID, list[0].ID)
		require.Empty(t, list[0].Body)
		list, next, err = d.Proposals(t.Context(), true, Page{Limit: 1, After: next})
		require.NoError(t, err)
		require.Equal(t, first.ID, list[0].ID)
		require.Empty(t, next)
		now = now.Add(day)
		list, _, err = d.Proposals(t.Context(), true, Page{})
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

// A proposal goes its way once: it is used when it was approved, by one of many, for what
// it was made for, and in its time, be the clock set back or forth.
func TestUseProposal(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now()
		d.cfg.Now = func() time.Time { return now }
		p := proposed(t, d, "admin/ada")
		use := func(digest [32]byte) error {
			return update(d, func(tx *Tx) { tx.UseProposal(p.ID, digest, "admin/ada") })
		}
		require.ErrorIs(t, use(p.Digest), ErrSpent, "it is open")
		must(t, d, func(tx *Tx) { tx.MoveProposal(p.ID, ProposalOpen, ProposalApproved, "officer/bob") })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.MoveProposal(p.ID, ProposalOpen, ProposalApproved, "officer/bob") }), ErrStale)
		require.ErrorIs(t, use([32]byte{2}), ErrSpent)
		now = now.Add(-time.Second)
		require.ErrorIs(t, use(p.Digest), ErrSpent)
		now = now.Add(day + time.Second)
		require.ErrorIs(t, use(p.Digest), ErrSpent)
		now = now.Add(-time.Hour)
		used := 0
		for _, err := range parallel(8, func(int) error { return use(p.Digest) }) {
			if err == nil {
				used++
				continue
			}
			require.ErrorIs(t, err, ErrSpent)
		}
		require.Equal(t, 1, used)
	})
}

// Persons are those of a role who are active, have an owner, and hold a certificate in
// force; a certificate that is revoked is so at once.
func TestPersons(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		certs := make(map[string]Certificate)
		for path, owner := range map[string]string{"admin/a": "IT", "admin/b": "", "admin/c": "ward", "admin/d": "lab", "admin-x/a": "no", "admi/a": "no"} {
			role, name := splitPath(path)
			must(t, d, func(tx *Tx) {
				tx.CreateIdentity(Identity{Path: path, Role: role, Name: name, Owner: owner, State: Active})
			})
			if path != "admin/d" {
				certs[path] = issued(t, d, path)
			}
		}
		persons := func() (all []Person) {
			deciding(t, d, func(ctx context.Context, tx *AloneTx) (err error) {
				all, err = tx.Persons(ctx, "admin")
				return err
			})
			return all
		}
		require.Equal(t, []Person{{"admin/a", "IT"}, {"admin/c", "ward"}}, persons())
		require.NoError(t, d.UpdateAlone(t.Context(), func(ctx context.Context, tx *AloneTx) (audit.Event, error) {
			_, _, err := tx.RevokeCertificate(ctx, certs["admin/a"].Serial, 1)
			revoked, e := tx.Revoked(ctx, certs["admin/a"].Serial)
			require.NoError(t, e)
			require.True(t, revoked)
			return event(), err
		}))
		require.Equal(t, []Person{{"admin/c", "ward"}}, persons())
		must(t, d, func(tx *Tx) { tx.SetState("admin/c", []State{Active}, Suspended) })
		require.Empty(t, persons())
	})
}

// A power is of use from its beginning to its end, to its person, and as long as nobody
// ended it.
func TestPower(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		p := Power{
			ID: PowerID{1}, Person: "officer/bob", Owner: "ward 3", Kind: PowerBreakGlass, Right: "emergency", Reason: "why", By: "a b",
			Begun: now, Ends: now.Add(time.Hour),
		}
		must(t, d, func(tx *Tx) { tx.InsertPower(p) })
		got, err := d.Power(t.Context(), p.ID)
		require.NoError(t, err)
		require.Equal(t, p, got)
		deciding(t, d, func(ctx context.Context, tx *AloneTx) error {
			got, err := tx.Power(ctx, p.ID)
			require.NoError(t, err)
			require.Equal(t, p, got)
			all, err := tx.PowersOf(ctx, p.Person)
			require.Equal(t, []Power{p}, all)
			return err
		})
		use := func(person string) error { return update(d, func(tx *Tx) { tx.UsePower(p.ID, person) }) }
		require.NoError(t, use(p.Person))
		require.ErrorIs(t, use("officer/eve"), ErrOver)
		now = now.Add(-time.Second)
		require.ErrorIs(t, use(p.Person), ErrOver, "it is from the future")
		now = now.Add(time.Hour + time.Second)
		require.ErrorIs(t, use(p.Person), ErrOver)
		over, err := d.PowersOver(t.Context(), 5)
		require.NoError(t, err)
		require.Len(t, over, 1)
		require.EqualValues(t, 1, over[0].Uses)
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.ReviewPower(p.ID, "auditor/cleo", "fine") }), ErrStale, "it has not ended")
		must(t, d, func(tx *Tx) { tx.EndPower(p.ID, "self") })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.EndPower(p.ID, "self") }), ErrOver)
		now = now.Add(-4 * time.Minute)
		require.ErrorIs(t, use(p.Person), ErrOver, "what has ended stays so")
		must(t, d, func(tx *Tx) { tx.ReviewPower(p.ID, "auditor/cleo", "fine") })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.ReviewPower(p.ID, "auditor/cleo", "fine") }), ErrStale)
		list, _, err := d.Powers(t.Context(), false, Page{})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, []string{"self", "auditor/cleo", "fine"}, []string{list[0].EndedBy, list[0].ReviewedBy, list[0].Word})
		list, _, err = d.Powers(t.Context(), true, Page{})
		require.NoError(t, err)
		require.Empty(t, list)
	})
}
