package store

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"

	"github.com/betonica/betonica/store/audit"
)

// lives returns all that Lives finds, in pages.
func lives(t *testing.T, d *DB, limit int) map[string]Life {
	all := map[string]Life{}
	for after := ""; ; {
		some, last, err := d.Lives(t.Context(), after, limit)
		require.NoError(t, err)
		for _, l := range some {
			require.NotContains(t, all, l.Path)
			all[l.Path] = l
		}
		if after = last; last == "" {
			return all
		}
	}
}

// A life ends with the newest certificate, whatever ended before or was revoked, and
// those of attestation keys are none.
func TestLives(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, name := range []string{"old", "renewed", "revoked", "tpm", "none", "asleep"} {
			identity(t, d, "device/"+name)
		}
		issue := func(name string, life time.Duration, change func(*Certificate)) Certificate {
			c := certificate("device/" + name)
			c.NotAfter = c.NotBefore.Add(life).Truncate(time.Millisecond)
			change(&c)
			must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
			return c
		}
		as := func(*Certificate) {}
		old := issue("old", time.Hour, as)
		issue("renewed", time.Hour, as)
		renewed := issue("renewed", 2*time.Hour, as)
		revoked := issue("revoked", time.Hour, as)
		issue("tpm", time.Hour, func(c *Certificate) { c.Method = "attestation" })
		issue("asleep", time.Hour, as)
		require.NoError(t, alone(d, func(tx *AloneTx, ctx context.Context, _ string, reason int) (Fall, error) {
			_, _, err := tx.RevokeCertificate(ctx, revoked.Serial, reason)
			return Fall{}, err
		}, ""))
		must(t, d, func(tx *Tx) { tx.Sleep("device/asleep", Dormant) })
		for _, limit := range []int{2, 5, 100} {
			all := lives(t, d, limit)
			require.Len(t, all, 5)
			require.Equal(t, old.NotAfter.UTC(), all["device/old"].Ends)
			require.Equal(t, renewed.NotAfter.UTC(), all["device/renewed"].Ends)
			require.Equal(t, renewed.Serial.Time(), all["device/renewed"].Issued)
			require.False(t, all["device/revoked"].Ends.After(time.Now()))
			require.Zero(t, all["device/tpm"].Issued)
			require.Equal(t, all["device/none"].Created, all["device/none"].Awake())
		}
	})
}

// Within its transaction a life is what is true then: asleep is not active, and a
// certificate that lasts longer than the newest counts.
func TestLifeAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		long := certificate("device/a")
		long.NotAfter = time.Now().Add(1000 * time.Hour).Truncate(time.Millisecond)
		must(t, d, func(tx *Tx) { tx.InsertCertificate(long) })
		issued(t, d, "device/a")
		look := func() (l Life, err error) {
			undo := errors.New("undo")
			done := d.UpdateMany(t.Context(), func(ctx context.Context, tx *AloneTx) ([]audit.Event, error) {
				l, err = tx.Life(ctx, "device/a")
				return nil, undo
			})
			require.Error(t, done)
			return l, err
		}
		l, err := look()
		require.NoError(t, err)
		require.Equal(t, long.NotAfter.UTC(), l.Ends)
		must(t, d, func(tx *Tx) { tx.Sleep("device/a", Dormant) })
		_, err = look()
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// Who was suspended by itself is known for it until somebody changes the state; who
// resumes it says that it is there.
func TestSleep(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		made, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		must(t, d, func(tx *Tx) { tx.Sleep("device/a", Unattested) })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.Sleep("device/a", Dormant) }), ErrStale)
		id, err := d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.Equal(t, Suspended, id.State)
		require.Equal(t, Unattested, id.Why)
		require.EqualValues(t, 2, id.Revision)
		must(t, d, func(tx *Tx) { tx.SetState("device/a", []State{Suspended}, Active) })
		id, err = d.Identity(t.Context(), "device/a")
		require.NoError(t, err)
		require.Empty(t, id.Why)
		require.False(t, id.Attested.Before(made.Attested))
		require.False(t, lives(t, d, 10)["device/a"].Resumed.IsZero())
	})
}

// Of those whom nobody answers for, who was made first comes first, whatever he is called;
// and each once, in pages of any size.
func TestOwnerlessInOrder(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		cfg := config(t, dsn)
		now := time.Now()
		cfg.Now = func() time.Time { return now }
		d := open(t, cfg)
		want := []string{"device/b", "device/d", "device/a", "device/c"}
		for i, path := range want {
			if i != 1 { // made in the same moment as the one before
				now = now.Add(time.Millisecond)
			}
			identity(t, d, path)
		}
		for limit := 1; limit < 6; limit++ {
			var got []string
			for page := (Page{Limit: limit}); ; {
				all, next, err := d.Doubtful(t.Context(), Doubt{Why: Ownerless}, page)
				require.NoError(t, err)
				for _, id := range all {
					got = append(got, id.Path)
				}
				if page.After = next; next == "" {
					break
				}
			}
			require.Equal(t, want, got)
		}
	})
}

// Each list of those in doubt is whole, in pages of any size: those that were suspended
// for it, and those that go on.
func TestDoubtful(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, role := range []string{"device", "gateway", "sensor"} {
			for i := range 4 {
				path := fmt.Sprintf("%s/%d", role, i)
				identity(t, d, path)
				must(t, d, func(tx *Tx) {
					switch i {
					case 0:
						tx.Attest(path, "icu")
					case 1:
						tx.Sleep(path, Unattested)
					case 2:
						tx.Sleep(path, Ownerless)
					}
				})
			}
		}
		must(t, d, func(tx *Tx) { tx.Sleep("sensor/3", Dormant) })
		soon, long := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
		cutoffs := []Cutoff{{"device", soon}, {"gateway", long}, {"sensor", soon}}
		for _, tt := range []struct {
			q    Doubt
			want string
		}{
			{Doubt{Why: Dormant}, "[sensor/3]"},
			{Doubt{Why: Dormant, Role: "device"}, "[]"},
			{Doubt{Why: Ownerless}, "[device/2 gateway/2 sensor/2 device/3 gateway/3]"},
			{Doubt{Why: Ownerless, Role: "gateway"}, "[gateway/2 gateway/3]"},
			{Doubt{Why: Unattested}, "[device/1 gateway/1 sensor/1]"},
			{Doubt{Why: Unattested, Cutoffs: cutoffs}, "[device/1 gateway/1 sensor/1 device/3 device/0 sensor/0]"},
			{Doubt{Why: Unattested, Cutoffs: cutoffs, Role: "sensor"}, "[sensor/1 sensor/0]"},
			{Doubt{Why: Unattested, Cutoffs: cutoffs[1:2]}, "[device/1 gateway/1 sensor/1]"},
		} {
			for limit := 1; limit < 8; limit++ {
				got := []string{}
				for page := (Page{Limit: limit}); ; {
					all, next, err := d.Doubtful(t.Context(), tt.q, page)
					require.NoError(t, err)
					require.LessOrEqual(t, len(all), limit)
					for _, id := range all {
						got = append(got, id.Path)
					}
					if page.After = next; next == "" {
						break
					}
				}
				if tt.q.Cutoffs != nil && tt.q.Role == "" && len(got) == 6 { // by when they were attested, which may be the same time
					require.ElementsMatch(t, []string{"device/3", "device/0"}, got[3:5])
					got[3], got[4] = "device/3", "device/0"
				}
				require.Equal(t, tt.want, fmt.Sprint(got), "%+v by %d", tt.q, limit)
			}
		}
		_, _, err := d.Doubtful(t.Context(), Doubt{Why: Dormant}, Page{After: cursor([]byte("9"))})
		require.ErrorIs(t, err, ErrBadCursor)
	})
}

// A count replaces the one before, and tells of those in doubt.
func TestReplaceLife(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		counted := time.UnixMilli(1_800_000_000_000).UTC()
		one := LifeCount{Role: "device", Site: "north", Counted: counted, Active: 3, Stale: 2, Ownerless: 1, First: "device/a", FirstAt: counted, Ends: []byte{1}}
		relax(t, d, func(tx *RelaxedTx) { tx.ReplaceLife([]LifeCount{one, {Role: "gone", Ends: []byte{}}}) })
		relax(t, d, func(tx *RelaxedTx) { tx.ReplaceLife([]LifeCount{one}) })
		all, err := d.LifeCounts(t.Context())
		require.NoError(t, err)
		require.Equal(t, []LifeCount{one}, all)
		identity(t, d, "device/a")
		must(t, d, func(tx *Tx) { tx.Sleep("device/a", Dormant) })
		counts, err := d.count(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[Why]int64{Unattested: 2, Ownerless: 1, Dormant: 1}, counts.Doubtful)
	})
}

// When the last certificate of an identity leaves, it stays known when it was issued: its
// sleep began then and not at its making. What may still be renewed does not leave.
func TestPurgeKeepsLife(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/dead")
		identity(t, d, "device/alive")
		end := time.Now().Add(time.Hour)
		issue := func(path string, from, to time.Time) Certificate {
			c := certificate(path)
			c.NotBefore, c.NotAfter = from.Truncate(time.Millisecond), to
			must(t, d, func(tx *Tx) { tx.InsertCertificate(c) })
			return c
		}
		issue("device/dead", end.Add(-3*time.Hour), end.Add(-time.Minute))
		last := issue("device/dead", end.Add(-2*time.Hour), end)
		issue("device/alive", end.Add(-2*time.Hour), end)
		issue("device/alive", end, end.Add(400*day))

		grace := 180 * day
		d.KeepExpired(func() time.Duration { return grace })
		require.NoError(t, d.Purge(t.Context(), end.Add(179*day)))
		require.Equal(t, 4, remaining(t, d, "certificates"))
		require.NoError(t, d.Purge(t.Context(), end.Add(180*day+time.Second)))
		require.Equal(t, 1, remaining(t, d, "certificates"))
		all := lives(t, d, 10)
		require.Equal(t, last.NotBefore.UTC(), all["device/dead"].Resumed)
		require.Zero(t, all["device/alive"].Resumed)
		grace = 0
		require.NoError(t, d.Purge(t.Context(), end.Add(490*day+time.Second)))
		require.Equal(t, 0, remaining(t, d, "certificates"))
	})
}
