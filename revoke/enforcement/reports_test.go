package enforcement_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/store/storetest"
)

// Nonsense is refused, and changes nothing.
func TestBadReports(t *testing.T) {
	f := newFleet(t, enrolltest.New(t))
	f.join("a")
	good := enforcement.Report{Issuer: f.Authority.IssuerID(), Number: f.newest(), EnforcedAt: f.Now(), Connections: 1}
	for name, spoil := range map[string]func(*enforcement.Report){
		"no issuer":          func(r *enforcement.Report) { r.Issuer = "" },
		"no number":          func(r *enforcement.Report) { r.Number = 0 },
		"negative":           func(r *enforcement.Report) { r.Number = -1 },
		"negative sessions":  func(r *enforcement.Report) { r.Connections = -1 },
		"negative age":       func(r *enforcement.Report) { r.MaxAge = -1 },
		"an age of years":    func(r *enforcement.Report) { r.MaxAge = 367 * 24 * time.Hour },
		"too many sessions":  func(r *enforcement.Report) { r.Connections = 1 << 40 },
		"no time":            func(r *enforcement.Report) { r.EnforcedAt = time.Time{} },
		"in the future":      func(r *enforcement.Report) { r.EnforcedAt = f.Now().Add(6 * time.Minute) },
		"far in the future":  func(r *enforcement.Report) { r.EnforcedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
		"before there is CA": func(r *enforcement.Report) { r.EnforcedAt = time.Unix(0, 0) },
	} {
		r := good
		spoil(&r)
		require.ErrorIs(t, f.Report(t.Context(), enforcement.Reporter{Identity: "gateway/a"}, r), enforcement.ErrReport, name)
	}
	s, err := f.Summary(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, s.Known)
	good.EnforcedAt = f.Now().Add(4 * time.Minute) // clocks differ
	require.NoError(t, f.Report(t.Context(), enforcement.Reporter{Identity: "gateway/a", Address: netip.Addr{}}, good))
}

// The strictest of those that are connected says how old a list may be; who does not say
// has the default, and what was said outlives a restart.
func TestMaxAge(t *testing.T) {
	f := newFleet(t, enrolltest.New(t))
	f.join("a", "b", "c")
	age := func(e *enforcement.Registry) time.Duration {
		t.Helper()
		age, err := e.MaxAge(t.Context(), 4*time.Hour)
		require.NoError(t, err)
		return age
	}
	require.Zero(t, age(f.Registry))
	say := func(name string, maxAge time.Duration) {
		t.Helper()
		r := enforcement.Report{Issuer: f.Authority.IssuerID(), Number: f.newest(), EnforcedAt: f.Now(), MaxAge: maxAge}
		require.NoError(t, f.Report(t.Context(), enforcement.Reporter{Identity: "gateway/" + name}, r))
	}
	say("a", 24*time.Hour)
	require.Equal(t, 24*time.Hour, age(f.Registry))
	say("b", 0)
	require.Equal(t, 4*time.Hour, age(f.Registry))
	say("c", time.Hour)
	require.Equal(t, time.Hour, age(f.Registry))
	f.Keep()
	again, err := enforcement.New(t.Context(), f.Registry.Config)
	require.NoError(t, err)
	require.Equal(t, time.Hour, age(again))
	say("c", 2*time.Hour)
	require.Equal(t, 2*time.Hour, age(f.Registry))
}

// What one replica has heard, another one's Watch counts, with its time; what it
// hears is written at once because of the revocation.
func TestEnforcementReplicas(t *testing.T) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	here := newFleet(t, c)
	there := newFleetOn(t, c, c.Replica())
	here.join("a", "b", "c")
	old := here.newest()
	here.said("a", old)
	there.said("b", old)
	there.said("c", old)
	there.Keep()
	number := here.revoke()
	there.sign(number)
	next := here.watch(t.Context(), number)
	require.Equal(t, 3, next().Waiting)
	require.Eventually(t, func() bool { return there.Revoked() == number }, 10*time.Second, 5*time.Millisecond, "the revocation's way to the other replica")
	there.Keep()
	here.said("a", number)
	there.said("b", number)
	there.said("c", number)
	p := until(next, enforcement.Progress.Done)
	require.Equal(t, []int{3, 0, 0}, []int{p.Enforcing, p.Waiting, p.Away})
	require.GreaterOrEqual(t, p.Slowest, time.Duration(0))
	s, err := there.Summary(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, min(s.Known, 2))
}
