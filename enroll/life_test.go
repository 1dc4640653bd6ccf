package enroll_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// policy puts a policy in force.
func policy(t *testing.T, c *enrolltest.CA, text string) {
	t.Helper()
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
	require.NoError(t, err)
}

// Who gets no certificate for as long as the role allows is suspended, once, and it is on
// record why; who was resumed has that time again. Nobody else is touched, and nothing is
// revoked.
func TestDormant(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		policy(t, c, "[role.device]\nlifetime = '1h'\ndormant_after = '3h'\n[role.gateway]\nlifetime = '1h'\n[role.admin]\nlifetime = '1h'\ndormant_after = '3h'")
		for _, path := range []string{"device/asleep", "gateway/asleep", "admin/asleep"} {
			role, name, _ := strings.Cut(path, "/")
			enrolled(t, c, role, name)
		}
		_, err := c.CreateIdentity(t.Context(), enrolltest.Root, enroll.IdentityRequest{Role: "device", Name: "boxed"})
		require.NoError(t, err)
		c.Advance(3*time.Hour - time.Minute)
		enrolled(t, c, "device", "awake")
		require.NoError(t, c.TendLives(t.Context()))
		require.Empty(t, c.Audit("identity.suspend"))

		c.Advance(2 * time.Minute)
		for range 2 {
			require.NoError(t, c.TendLives(t.Context()))
		}
		require.Len(t, c.Audit("identity.suspend"), 1)
		id := c.Identity("device/asleep")
		require.Equal(t, store.Suspended, id.State)
		require.Equal(t, store.Dormant, id.Why)
		for path, state := range map[string]store.State{"device/awake": store.Active, "device/boxed": store.Pending, "gateway/asleep": store.Active, "admin/asleep": store.Active} {
			require.Equal(t, state, c.Identity(path).State, path)
		}
		require.Empty(t, c.Audit("certificate.revoke"))

		_, err = c.Resume(t.Context(), enrolltest.Root, "device/asleep")
		require.NoError(t, err)
		require.Empty(t, c.Identity("device/asleep").Why)
		c.Advance(time.Hour)
		require.NoError(t, c.TendLives(t.Context()))
		require.Equal(t, store.Active, c.Identity("device/asleep").State)
	})
}

// What nobody vouches for is only counted, unless the role says otherwise; an attestation
// is on record, and helps.
func TestStale(t *testing.T) {
	c := enrolltest.New(t)
	const text = "[role.device]\nlifetime = '400d'\nattest_every = '2d'\n"
	policy(t, c, text)
	for _, name := range []string{"owned", "attested", "nobodys"} {
		enrolled(t, c, "device", name)
	}
	_, err := c.AttestIdentity(t.Context(), enrolltest.Root, "device/owned", "icu")
	require.NoError(t, err)
	c.Advance(24 * time.Hour)
	_, err = c.AttestIdentity(t.Context(), enrolltest.Root, "device/attested", "lab")
	require.NoError(t, err)
	require.Len(t, c.Audit("identity.attest"), 2)
	c.Advance(25 * time.Hour)
	require.NoError(t, c.TendLives(t.Context()))
	require.Empty(t, c.Audit("identity.suspend"))
	counts, err := c.Store.LifeCounts(t.Context())
	require.NoError(t, err)
	require.Len(t, counts, 1)
	require.EqualValues(t, []int64{3, 2, 0, 0}, []int64{counts[0].Active, counts[0].Stale, counts[0].Ownerless, counts[0].Dormant})
	listed, _, err := c.Store.Doubtful(t.Context(), store.Doubt{Why: store.Ownerless}, store.Page{})
	require.NoError(t, err)
	require.Len(t, listed, 1, "who has no owner is listed, wanted or not")
	policy(t, c, text+"owner = 'required'\n")
	require.NoError(t, c.TendLives(t.Context()))
	counts, err = c.Store.LifeCounts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, counts[0].Ownerless)
	require.Equal(t, store.Active, c.Identity("device/nobodys").State)

	policy(t, c, text+"suspend_stale = true\n")
	require.NoError(t, c.TendLives(t.Context()))
	require.Equal(t, store.Unattested, c.Identity("device/owned").Why)
	require.Equal(t, store.Unattested, c.Identity("device/nobodys").Why)
	require.Equal(t, store.Active, c.Identity("device/attested").State)
	_, err = c.Resume(t.Context(), enrolltest.Root, "device/nobodys")
	require.NoError(t, err)

	// Without an owner it gets a week.
	policy(t, c, "[role.device]\nlifetime = '400d'\nattest_every = '0s'\nsuspend_stale = true\n")
	require.NoError(t, c.TendLives(t.Context()))
	require.Equal(t, store.Active, c.Identity("device/nobodys").State)
	c.Advance(8 * 24 * time.Hour)
	require.NoError(t, c.TendLives(t.Context()))
	require.Equal(t, store.Ownerless, c.Identity("device/nobodys").Why)
	require.Equal(t, store.Active, c.Identity("device/attested").State)
}

// Who may not manage an identity does not vouch for it, and what has its end stays so.
func TestAttestRefuses(t *testing.T) {
	c := enrolltest.New(t)
	enrolled(t, c, "device", "a")
	enrolled(t, c, "admin", "alice")
	var denied *ca.DeniedError
	_, err := c.AttestIdentity(t.Context(), enroll.Actor{Name: "operator/al"}, "admin/alice", "")
	require.ErrorAs(t, err, &denied)
	_, err = c.AttestIdentity(t.Context(), enrolltest.Root, "device/b", "")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = c.AttestIdentity(t.Context(), enrolltest.Root, "device/a", "a\x00")
	require.Error(t, err)
	_, err = c.Retire(t.Context(), enrolltest.Root, "device/a")
	require.NoError(t, err)
	var conflict *enroll.ConflictError
	_, err = c.AttestIdentity(t.Context(), enrolltest.Root, "device/a", "")
	require.ErrorAs(t, err, &conflict)
}

// A count of ends says when how many have fallen: never too late, and at most a 32nd too
// early; and comes back as it was from where it is kept.
func TestEnds(t *testing.T) {
	var e enroll.Ends
	for i := range 1000 {
		e.Add(time.Duration(i) * time.Hour)
	}
	e.Add(-time.Hour)
	b, err := e.MarshalBinary()
	require.NoError(t, err)
	var back enroll.Ends
	require.NoError(t, back.UnmarshalBinary(b))
	require.EqualValues(t, 999, back.Total())
	for n := 1; n < 1000; n++ {
		at, want := back.Fallen(uint64(n), 0), time.Duration(n)*time.Hour
		require.LessOrEqual(t, at, want, n)
		require.GreaterOrEqual(t, at, want-want/32-time.Minute, n)
	}
	require.Zero(t, back.Fallen(1000, 0))
	require.InDelta(t, 500, back.After(500*time.Hour), 16)
	require.GreaterOrEqual(t, back.Fallen(1, 500*time.Hour), 500*time.Hour)
	for _, bad := range [][]byte{{1}, {0x80}, {5, 1, 3, 1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}} {
		require.Error(t, back.UnmarshalBinary(bad), fmt.Sprint(bad))
	}
}

// Who holds a certificate in time is not asleep, however long ago it was issued: from
// before the role's lifetime was made shorter, say.
func TestDormantAlive(t *testing.T) {
	c := enrolltest.New(t)
	policy(t, c, "[role.device]\nlifetime = '30d'")
	enrolled(t, c, "device", "a")
	policy(t, c, "[role.device]\nlifetime = '1h'\ndormant_after = '3h'")
	c.Advance(29 * 24 * time.Hour)
	require.NoError(t, c.TendLives(t.Context()))
	require.Equal(t, store.Active, c.Identity("device/a").State)
	c.Advance(2 * 24 * time.Hour)
	require.NoError(t, c.TendLives(t.Context()))
	require.Equal(t, store.Dormant, c.Identity("device/a").Why)
}

// While the CA is away nobody gets dormant, stale or ownerless enough to be suspended, be it
// that a clock which was wrong at its start only says so; when it is there, that counts.
func TestAway(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		c := enrolltest.Open(t, dsn)
		policy(t, c, "[role.device]\nlifetime = '1h'\ndormant_after = '7d'\n"+
			"[role.gateway]\nlifetime = '1h'\nattest_every = '7d'\nsuspend_stale = true\n"+
			"[role.pump]\nlifetime = '1h'\nattest_every = '0s'\nsuspend_stale = true\n")
		paths := []string{"device/a", "gateway/a", "pump/a"}
		for _, path := range paths {
			role, name, _ := strings.Cut(path, "/")
			enrolled(t, c, role, name)
		}
		_, err := c.AttestIdentity(t.Context(), enrolltest.Root, "gateway/a", "icu")
		require.NoError(t, err)
		after := func(d time.Duration, want store.State, actions ...string) {
			t.Helper()
			c.Advance(d)
			for _, action := range actions {
				require.NoError(t, c.Store.Update(t.Context(), func(*store.Tx) audit.Event {
					return audit.Event{Action: action, Actor: "self", Outcome: "ok"}
				}))
			}
			require.NoError(t, c.TendLives(t.Context()))
			for _, path := range paths {
				require.Equal(t, want, c.Identity(path).State, path)
			}
		}
		const day = 24 * time.Hour
		after(3*day, store.Active, "test.there")
		after(365*day, store.Active, "test.starting", enroll.ActionStart, enroll.ActionStart)
		after(3*day, store.Active, "test.there")
		after(day+time.Minute, store.Suspended, "test.there")
		require.Equal(t, store.Dormant, c.Identity("device/a").Why)
		require.Equal(t, store.Unattested, c.Identity("gateway/a").Why)
		require.Equal(t, store.Ownerless, c.Identity("pump/a").Why)
	})
}

// A start by a clock that was ahead, and is right by now, is no absence.
func TestServed(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	at := func(h int) time.Time { return now.Add(time.Duration(h) * time.Hour) }
	away := enroll.Absences{{From: at(-2), To: at(1000)}, {From: at(-8), To: at(-5)}, {From: at(-30), To: at(-20)}}
	for from, want := range map[int]time.Duration{-1: 1, -6: 5, -10: 7, -25: 17, -40: 27} {
		require.Equal(t, want*time.Hour, away.Served(at(from), now), "%d", from)
	}
	require.Zero(t, enroll.Absences{{From: at(-9), To: at(-1)}, {From: at(-9), To: at(-1)}}.Served(at(-9), now))
}
