package revoke_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A tombstone closes every way back in one transaction: certificates, unused
// tokens, ACME accounts, renewal, re-enrolment; and its event names all of it. A dry run says
// the same beforehand and does nothing.
func TestTombstone(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := newWorld(t, enrolltest.Open(t, dsn))
		cert, key := w.enrol("pump-1")
		unused := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
		other, _ := w.enrol("pump-2")
		account := store.Account{ID: store.NewAccountID(), Identity: "device/pump-1", JWK: []byte("{}")}
		require.NoError(t, w.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
			tx.InsertAccount(account)
			return audit.Event{Action: "acme.account", Actor: "device/pump-1", Outcome: "ok"}
		}))

		would, err := w.Revoker.Identity(t.Context(), root, "device/pump-1", revoke.Order{Reason: crl.KeyCompromise, DryRun: true})
		require.NoError(t, err)
		require.Equal(t, []string{serial(cert).String()}, would.Serials)
		require.Len(t, would.Tokens, 1)
		require.Equal(t, store.Active, w.Identity("device/pump-1").State, "a dry run does nothing")
		require.Empty(t, w.Audit("identity.revoke"))

		fell, err := w.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
		require.NoError(t, err)
		require.Equal(t, would.Serials, fell.Serials)
		require.Equal(t, would.Tokens, fell.Tokens)
		require.Equal(t, []string{account.ID.String()}, would.Accounts)
		require.Equal(t, would.Accounts, fell.Accounts)
		require.Positive(t, fell.Number)
		require.Equal(t, store.Revoked, w.Identity("device/pump-1").State)
		events := w.Audit("identity.revoke")
		require.Len(t, events, 1)
		require.Equal(t, "keyCompromise", events[0].Detail["reason"])
		require.Equal(t, []any{serial(cert).String()}, events[0].Detail["serials"])
		require.Equal(t, []any{account.ID.String()}, events[0].Detail["accounts"])

		_, err = w.Enroll(t.Context(), unused, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.Error(t, err, "an unused token is a way back")
		_, err = w.Holder(t.Context(), cert, home)
		require.Error(t, err, "renewal is a way back")
		_, err = w.CreateToken(t.Context(), enrolltest.Root, enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true})
		require.Error(t, err, "a new token is a way back")
		_ = key

		again, err := w.Revoker.Identity(t.Context(), root, "device/pump-1", revoke.Order{Reason: crl.Superseded})
		require.NoError(t, err, "doing it twice is no error")
		require.Empty(t, again.Serials)
		r, err := w.Store.Revocation(t.Context(), serial(cert))
		require.NoError(t, err)
		require.Equal(t, int(crl.KeyCompromise), r.Reason, "the first reason stays")
		_, err = w.Store.Revocation(t.Context(), serial(other))
		require.ErrorIs(t, err, store.ErrNotFound, "the neighbour stays")
	})
}

// What cannot be revoked is told apart: nobody, a serial that was never issued,
// the CA itself, a reason that is not for machines.
func TestRevokeRefused(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	_, err := w.Self(t.Context(), "one", []string{"ca.hospital.example"}, nil)
	require.NoError(t, err)

	_, err = w.Revoker.Identity(t.Context(), root, "device/nobody", orders)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = w.Revoker.Serial(t.Context(), root, store.Serial{1}, orders)
	require.ErrorIs(t, err, store.ErrNotFound)
	officer := revoke.By{Name: "officer/kim"}
	_, err = w.Revoker.Identity(t.Context(), officer, "ca/one", orders)
	var denied *ca.DeniedError
	require.ErrorAs(t, err, &denied)
	require.Equal(t, store.Active, w.Identity("ca/one").State)
	_, err = w.Revoker.Identity(t.Context(), root, "device/nobody", revoke.Order{Reason: crl.CertificateHold})
	require.Error(t, err)
	_, err = revoke.ParseReason("certificateHold")
	require.Error(t, err)
}

// Revoking one serial leaves its identity alive and its first reason standing;
// cutting a suspended identity takes its certificates and lets it enrol anew.
func TestSerialAndCut(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	fell, err := w.Revoker.Serial(t.Context(), root, serial(cert), orders)
	require.NoError(t, err)
	require.False(t, fell.Already)
	require.Equal(t, store.Active, w.Identity("device/pump-1").State)
	fell, err = w.Revoker.Serial(t.Context(), root, serial(cert), revoke.Order{Reason: crl.Superseded})
	require.NoError(t, err)
	require.True(t, fell.Already)

	cert, _ = w.enrol("pump-2")
	fell, err = w.Revoker.Cut(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	require.Equal(t, []string{serial(cert).String()}, fell.Serials)
	require.Equal(t, store.Suspended, w.Identity("device/pump-2").State)
	_, err = w.Resume(t.Context(), enrolltest.Root, "device/pump-2")
	require.NoError(t, err)
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-2", Replace: true})
	_, err = w.Enroll(t.Context(), token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)

	_, err = w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	_, err = w.Revoker.Cut(t.Context(), root, "device/pump-2", orders)
	var state *revoke.StateError
	require.ErrorAs(t, err, &state, "a tombstone is not suspended")
}

// Revoking an identity while it enrols in a loop on other connections never
// leaves a live certificate behind, on either engine.
func TestRevokeAgainstEnrolment(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := newWorld(t, enrolltest.Open(t, dsn))
		const racers = 4
		for round := range 5 {
			name := string(rune('a' + round))
			cert, _ := w.enrol(name)
			_ = cert
			tokens := make(chan string, 200)
			for range cap(tokens) / 4 {
				tokens <- w.Token(enroll.TokenRequest{Role: "device", Name: name, Replace: true})
			}
			close(tokens)
			ctx, cancel := context.WithCancel(t.Context())
			started := make(chan struct{})
			var once sync.Once
			var wg sync.WaitGroup
			for range racers {
				wg.Go(func() {
					for token := range tokens {
						if ctx.Err() != nil {
							return
						}
						_, err := w.Enroll(ctx, token, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
						once.Do(func() { close(started) })
						_ = err // most lose: what counts is what is live afterwards
					}
				})
			}
			<-started
			_, err := w.Revoker.Identity(t.Context(), root, "device/"+name, orders)
			require.NoError(t, err)
			wg.Wait()
			cancel()
			live, _, err := w.Store.Certificates(t.Context(), store.CertificateFilter{Identity: "device/" + name, Live: true}, store.Page{Limit: 100})
			require.NoError(t, err)
			require.Empty(t, live)
		}
	})
}
