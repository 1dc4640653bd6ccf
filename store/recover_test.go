package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// A store that came out of a backup opens for nothing but its recovery; after that it
// knows of every revocation that a list shows, of certificates too that it never heard
// of, its numbers are above all that may have been signed, nothing that was unused can
// be used, and the log owns up to what is lost.
func TestRecover(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		cfg := d.cfg
		cfg.IDFile = filepath.Join(t.TempDir(), "store.id")
		for _, path := range []string{"device/gone", "device/renewed", "device/other"} {
			identity(t, d, path)
		}
		gone, renewed, spare := issued(t, d, "device/gone"), issued(t, d, "device/renewed"), issued(t, d, "device/other")
		before := issued(t, d, "device/other")
		_, err := d.Replay(t.Context(), "uid:0", []Replay{{Serial: before.Serial, Issuer: issuer, Reason: 1, At: time.Now(), End: time.Now().Add(time.Hour)}})
		require.NoError(t, err)
		unused, allowed := token(t, d, 1), approved(t, d, "device/other")
		agreed, power := proposed(t, d, "admin/ada"), Power{ID: PowerID{1}, Person: "officer/bob", Kind: PowerBreakGlass, Right: "revoke", Begun: d.cfg.Now(), Ends: d.cfg.Now().Add(time.Hour)}
		must(t, d, func(tx *Tx) { tx.MoveProposal(agreed.ID, ProposalOpen, ProposalApproved, "officer/bob") })
		must(t, d, func(tx *Tx) { tx.InsertPower(power) })
		watch, err := d.TakeWatch(t.Context(), "one")
		require.NoError(t, err)
		require.NoError(t, d.RecordAlerts(t.Context(), opening(watch.Epoch, 7, "device/a")))
		require.NoError(t, d.SaveCRL(t.Context(), CRL{Issuer: issuer, Kind: "full", Number: 3, DER: []byte("x")}))
		_, err = d.SignCheckpoint(t.Context())
		require.NoError(t, err)
		kept := d.LogSize()
		was := d.ID()
		_, err = d.BeginRecovery(t.Context(), 0)
		require.ErrorIs(t, err, ErrSound)
		tamper(t, d, `INSERT INTO meta (key, value) VALUES ('restored', 'x')`)
		require.NoError(t, d.Close())
		_, err = Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrRestored)

		cfg.Recover = true
		d, err = Open(t.Context(), cfg)
		require.NoError(t, err)
		number, err := d.BeginRecovery(t.Context(), 50_000)
		require.NoError(t, err)
		require.GreaterOrEqual(t, number, int64(50_000))
		unknown := certificate("device/never")
		at := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
		end := time.Now().Add(1000 * time.Hour).Truncate(time.Second)
		items := []Replay{
			{Serial: gone.Serial, Issuer: issuer, Reason: 1, At: at, End: end},
			{Serial: renewed.Serial, Issuer: issuer, Reason: superseded, At: at, End: end},
			{Serial: spare.Serial, Issuer: issuer, Reason: 1, At: at, End: end},
			{Serial: before.Serial, Issuer: issuer, Reason: 4, At: at, End: end},
			{Serial: unknown.Serial, Issuer: issuer, Reason: 1, At: at, End: end},
		}
		for _, again := range []bool{false, true} {
			done, err := d.Replay(t.Context(), "uid:0", items)
			require.NoError(t, err)
			for i, r := range done {
				require.Equal(t, again || i == 3, r.Known, i)
				require.Equal(t, !again && (i == 0 || i == 2), r.Suspended, i)
			}
			require.Empty(t, done[4].Identity)
		}
		require.NoError(t, d.Close())

		cfg.Recover = false // killed before it was done
		_, err = Open(t.Context(), cfg)
		require.ErrorIs(t, err, ErrRestored)
		cfg.Recover = true
		d, err = Open(t.Context(), cfg)
		require.NoError(t, err)
		_, err = d.BeginRecovery(t.Context(), 40_000)
		require.NoError(t, err)
		out, err := d.EndRecovery(t.Context(), "uid:0", []string{issuer}, map[string]any{"lists": []string{"x"}})
		require.NoError(t, err)
		require.Equal(t, Recovered{ID: d.ID(), Kept: kept, Tokens: 1, Requests: 1}, out)
		require.NoError(t, d.Close())

		cfg.Recover = false
		d = open(t, cfg)
		require.NotEqual(t, was, d.ID())
		file, err := ReadID(cfg.IDFile)
		require.NoError(t, err)
		require.Equal(t, d.ID(), file)
		for path, state := range map[string]State{"device/gone": Suspended, "device/renewed": Active, "device/other": Suspended} {
			id, err := d.Identity(t.Context(), path)
			require.NoError(t, err)
			require.Equal(t, state, id.State, path)
			require.True(t, id.Suspect, path)
		}
		_, err = d.Request(t.Context(), allowed.ID)
		require.ErrorIs(t, err, ErrNotFound, "an approval that may have been taken back since")
		proposal, err := d.Proposal(t.Context(), agreed.ID)
		require.NoError(t, err)
		require.Equal(t, ProposalDenied, proposal.State, "it may have been used since")
		power, err = d.Power(t.Context(), power.ID)
		require.NoError(t, err)
		require.False(t, power.Live(time.Now()), "it may have been ended since")
		watch, err = d.TakeWatch(t.Context(), "two")
		require.NoError(t, err)
		require.Greater(t, watch.LastID, int64(1000), "people know alerts that are lost by numbers after 7")
		for _, serial := range []Serial{gone.Serial, unknown.Serial} {
			_, r, err := d.Status(t.Context(), issuer, serial)
			require.NoError(t, err)
			require.NotNil(t, r, serial)
			require.Equal(t, at, r.At)
			require.Greater(t, r.Number, int64(50_000))
		}
		stays, err := d.Revocation(t.Context(), before.Serial)
		require.NoError(t, err)
		require.Equal(t, 1, stays.Reason)
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.SpendToken(unused) }), ErrSpent)
		_, err = d.LatestCRL(t.Context(), issuer, "full")
		require.ErrorIs(t, err, ErrNotFound)

		source, err := d.AuditSource(t.Context())
		require.NoError(t, err)
		keyring, err := d.Keyring(t.Context())
		require.NoError(t, err)
		evidence, err := os.Open(cfg.Evidence)
		require.NoError(t, err)
		defer evidence.Close()
		report, err := audit.Verify(t.Context(), source, audit.VerifyOptions{Verifier: verifier(t, d), Keyring: keyring, Evidence: evidence})
		require.NoError(t, err, "%s", report)
		require.Len(t, report.Losses, 1)
		require.Equal(t, kept, report.Losses[0].Kept)
	})
}

// A recovery does not run beside a daemon, nor with a clock that is behind.
func TestRecoverRefuses(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		must(t, d, func(*Tx) {})
		tamper(t, d, `INSERT INTO meta (key, value) VALUES ('restored', 'x')`)
		cfg := d.cfg
		cfg.Recover = true
		cfg.Now = func() time.Time { return time.Now().Add(-time.Hour) }
		behind, err := Open(t.Context(), cfg)
		require.NoError(t, err)
		_, err = behind.BeginRecovery(t.Context(), 0)
		if d.engine.shared() {
			require.ErrorIs(t, err, ErrReplicas)
		} else {
			require.ErrorContains(t, err, "set the clock")
		}
		require.NoError(t, behind.Close())
	})
}
