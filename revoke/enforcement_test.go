package revoke_test

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A fleet is relying parties that report to an Enforcement, about lists that only
// have numbers.
type fleet struct {
	*revoke.Enforcement
	*enrolltest.CA
	t       *testing.T
	revoker *revoke.Revoker
	lines   *lines
	stop    func()

	mu     sync.Mutex
	signed []revoke.Signed
}

func newFleet(t *testing.T, c *enrolltest.CA) *fleet { return newFleetOn(t, c, c.Store) }

// newFleetOn is a fleet of a process that has opened the store by itself.
func newFleetOn(t *testing.T, c *enrolltest.CA, db *store.DB) *fleet {
	f := &fleet{CA: c, t: t, lines: &lines{}}
	log := slog.New(slog.NewTextHandler(f.lines, nil))
	number, err := db.ReserveCRLNumbers(t.Context(), 1)
	require.NoError(t, err)
	f.signed = []revoke.Signed{{Issuer: c.Authority.IssuerID(), Number: number}}
	f.revoker = &revoke.Revoker{Store: db, Log: slog.New(slog.DiscardHandler)}
	conf := revoke.EnforcementConfig{Store: db, Signed: f.allSigned, Log: log, Now: c.Now}
	conf.KeepEvery(time.Hour)
	f.Enforcement, err = revoke.NewEnforcement(t.Context(), conf)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Enforcement.Run(ctx) }()
	f.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(f.stop)
	return f
}

func (f *fleet) allSigned() []revoke.Signed {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]revoke.Signed(nil), f.signed...)
}

// sign says that all issuers' lists have this number.
func (f *fleet) sign(number int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.signed {
		f.signed[i].Number = number
	}
}

func (f *fleet) newest() int64 { return f.allSigned()[0].Number }

// join puts active identities on record.
func (f *fleet) join(names ...string) {
	f.t.Helper()
	for _, name := range names {
		require.NoError(f.t, f.Store.Update(f.t.Context(), func(tx *store.Tx) audit.Event {
			tx.CreateIdentity(store.Identity{Path: "gateway/" + name, Role: "gateway", Name: name, State: store.Active})
			return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
		}))
	}
}

// say is one report of gateway/name, about the first issuer's list.
func (f *fleet) say(name string, number int64) error {
	return f.sayOf(name, f.Authority.IssuerID(), number)
}

func (f *fleet) sayOf(name, issuer string, number int64) error {
	return f.Report(f.t.Context(), revoke.Reporter{Identity: "gateway/" + name, Address: home, RequestID: "r"}, revoke.Report{
		Issuer: issuer, Number: number, EnforcedAt: f.Now(), Connections: 2,
	})
}

func (f *fleet) said(name string, number int64) {
	f.t.Helper()
	require.NoError(f.t, f.say(name, number))
}

// revoke revokes a new device, and returns the number that it took; it is signed.
func (f *fleet) revoke() int64 {
	f.t.Helper()
	path := "device/" + strings.ToLower(rand.Text())
	f.certify(path)
	return f.end(path)
}

// end revokes an identity, and returns the number that it took; it is signed.
func (f *fleet) end(path string) int64 {
	f.t.Helper()
	fell, err := f.revoker.Identity(f.t.Context(), root, path, orders)
	require.NoError(f.t, err)
	require.NotZero(f.t, fell.Number)
	f.sign(fell.Number)
	return fell.Number
}

// certify gives a new identity a certificate.
func (f *fleet) certify(path string) {
	f.t.Helper()
	role, name, _ := strings.Cut(path, "/")
	token := f.Token(enroll.TokenRequest{Role: role, Name: name})
	_, err := f.Enroll(f.t.Context(), token, home, enrolltest.CSR(f.t, enrolltest.NewKey(f.t)))
	require.NoError(f.t, err)
}

// watch follows a revocation, one word at each call.
func (f *fleet) watch(ctx context.Context, number int64) (next func() revoke.Progress) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // what is broken ends
	f.t.Cleanup(cancel)
	word, stop := iter.Pull2(f.Watch(ctx, number, number))
	f.t.Cleanup(stop)
	return func() revoke.Progress {
		f.t.Helper()
		p, err, ok := word()
		require.True(f.t, ok, "it has ended")
		require.NoError(f.t, err)
		return p
	}
}

// until skips what a Watch says before it is as wanted.
func until(next func() revoke.Progress, ok func(revoke.Progress) bool) revoke.Progress {
	for {
		if p := next(); ok(p) || p.Done() {
			return p
		}
	}
}

func names(all []revoke.RelyingParty) (out []string) {
	for _, p := range all {
		out = append(out, strings.TrimPrefix(p.Identity, "gateway/"))
	}
	return out
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// certifyBy puts a certificate of another issuer on record.
func (f *fleet) certifyBy(issuer, path string) {
	f.t.Helper()
	require.NoError(f.t, f.Store.AddIssuer(f.t.Context(), issuer))
	id := f.CA.Identity(path)
	policy, err := f.Store.CurrentPolicy(f.t.Context())
	require.NoError(f.t, err)
	c := store.Certificate{
		Issuer: issuer, Identity: path, NotBefore: f.Now(), NotAfter: f.Now().Add(time.Hour), Method: "token",
		Revision: id.Revision, Policy: policy.Version, DER: []byte("other"),
	}
	rand.Read(c.Serial[:])
	rand.Read(c.SPKI[:])
	require.NoError(f.t, f.Store.Update(f.t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertCertificate(c)
		return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
	}))
}

func eachFleet(t *testing.T, test func(t *testing.T, f *fleet)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) { test(t, newFleet(t, enrolltest.Open(t, dsn))) })
}

// A revocation is enforced when every connected relying party has said so with its
// number or a later one. Those not connected hold it up no more than they are left
// out; the slowest is the arrival of the last report.
func TestWatch(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "b", "c", "gone", "long-gone")
		old := f.newest()
		f.said("long-gone", old)
		f.Advance(time.Hour)
		f.said("gone", old)
		heard := f.Now()
		f.Advance(3 * time.Minute)
		for _, name := range []string{"a", "b", "c"} {
			f.said(name, old)
		}
		number := f.revoke()
		next := f.watch(t.Context(), number)
		p := next()
		require.Equal(t, []int{0, 3, 2, 5}, []int{p.Enforcing, p.Waiting, p.Away, p.Expected()})
		require.Equal(t, number, p.Number)
		require.ElementsMatch(t, []string{"a", "b", "c"}, names(p.Missing[:3]))
		require.Equal(t, []string{"gone", "long-gone"}, names(p.Missing[3:]))
		require.WithinDuration(t, heard, p.AwaySince, time.Second)
		require.Equal(t, home.String(), p.Missing[0].Address)

		f.said("a", number)
		p = until(next, func(p revoke.Progress) bool { return p.Enforcing == 1 })
		require.ElementsMatch(t, []string{"b", "c", "gone", "long-gone"}, names(p.Missing))
		f.said("b", number-1)
		f.Advance(time.Second)
		f.said("b", number)
		f.Advance(time.Second)
		f.said("b", number) // once more: it is as fast as it was
		f.said("a", number)
		f.said("c", number)
		last := f.Now().Sub(p.RevokedAt)
		p = until(next, revoke.Progress.Done)
		require.Equal(t, []int{3, 0, 2}, []int{p.Enforcing, p.Waiting, p.Away})
		require.Greater(t, p.Slowest, 2*time.Second)
		require.LessOrEqual(t, p.Slowest, last)

		// Whoever asks later hears the same, as long as it is known.
		again := f.watch(t.Context(), number)()
		require.True(t, again.Done())
		require.Equal(t, p.Slowest, again.Slowest)
	})
}

// When time runs out the last word says who is missing.
func TestWatchTimeout(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "b")
		f.said("a", f.newest())
		f.said("b", f.newest())
		number := f.revoke()
		f.said("a", number)
		ctx, cancel := context.WithCancel(t.Context())
		next := f.watch(ctx, number)
		require.False(t, next().Done())
		cancel()
		p := next()
		require.Equal(t, []string{"b"}, names(p.Missing))
		require.Equal(t, 1, p.Waiting)
		_, err, _ := pull(f.Watch(t.Context(), number+1, number+100))
		require.ErrorIs(t, err, store.ErrNotFound)
	})
}

func pull(words iter.Seq2[revoke.Progress, error]) (p revoke.Progress, err error, ok bool) {
	next, stop := iter.Pull2(words)
	defer stop()
	return next()
}

// A relying party that starts from an old state enforces nothing of what came
// since, whatever it had said before.
func TestWatchGoesBack(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "b")
		old := f.newest()
		f.said("a", old)
		f.said("b", old)
		number := f.revoke()
		next := f.watch(t.Context(), number)
		next()
		f.said("a", number)
		until(next, func(p revoke.Progress) bool { return p.Enforcing == 1 })
		f.said("a", old)
		p := until(next, func(p revoke.Progress) bool { return p.Enforcing == 0 })
		require.Equal(t, 2, p.Waiting)
		require.Equal(t, 1, f.lines.count("a relying party lags"))
		f.said("a", number)
		f.said("b", number)
		require.True(t, until(next, revoke.Progress.Done).Done())
		require.Equal(t, 1, f.lines.count("has caught up"))
	})
}

// An identity that is revoked itself is not waited for, and not told of any more.
func TestWatchRevoked(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a")
		f.certify("gateway/thief")
		f.said("a", f.newest())
		f.said("thief", f.newest())
		fell, err := f.revoker.Identity(t.Context(), root, "gateway/thief", orders)
		require.NoError(t, err)
		f.sign(fell.Number)
		next := f.watch(t.Context(), fell.Number)
		require.Equal(t, []string{"a"}, names(next().Missing))
		f.said("a", fell.Number)
		require.True(t, until(next, revoke.Progress.Done).Done())
		s, err := f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names(s.Parties))
	})
}

// Where certificates of two issuers fell, both lists count; where those of one
// fell, the other's list does not.
func TestWatchIssuers(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		const other = "00112233445566778899aabbccddeeff00112233"
		f.join("a")
		f.mu.Lock()
		f.signed = append(f.signed, revoke.Signed{Issuer: other, Number: f.signed[0].Number})
		f.mu.Unlock()
		old := f.newest()
		f.said("a", old)
		require.NoError(t, f.sayOf("a", other, old))
		f.certify("gateway/first")
		f.certify("gateway/both")
		f.certifyBy(other, "gateway/both")

		number := f.end("gateway/first")
		next := f.watch(t.Context(), number)
		require.Equal(t, 1, next().Waiting)
		f.said("a", number)
		require.Equal(t, 1, until(next, revoke.Progress.Done).Enforcing)

		number = f.end("gateway/both")
		next = f.watch(t.Context(), number)
		require.Equal(t, 1, next().Waiting)
		f.said("a", number)
		require.Equal(t, 1, next().Waiting)
		f.Advance(time.Second)
		require.NoError(t, f.sayOf("a", other, number))
		p := until(next, revoke.Progress.Done)
		require.Equal(t, 1, p.Enforcing)
		require.GreaterOrEqual(t, p.Slowest, time.Second)
		require.ErrorIs(t, f.sayOf("a", "stranger", 1), revoke.ErrOtherIssuer)

		// Of many revocations each issuer's last one counts.
		f.certify("gateway/second")
		f.certify("gateway/third")
		f.certifyBy(other, "gateway/third")
		first := f.end("gateway/third")
		last := f.end("gateway/second")
		word, stop := iter.Pull2(f.Watch(t.Context(), first, last))
		defer stop()
		for _, tt := range []struct {
			issuer string
			number int64
			done   bool
		}{{f.Authority.IssuerID(), first, false}, {f.Authority.IssuerID(), last, false}, {other, first, true}} {
			p, err, _ := word()
			require.NoError(t, err)
			require.False(t, p.Done())
			require.NoError(t, f.sayOf("a", tt.issuer, tt.number))
			if p, _, _ := pull(f.Watch(t.Context(), first, last)); true {
				require.Equal(t, tt.done, p.Done(), tt)
			}
		}
	})
}

// What was reported outlives a restart, but for how fast it was.
func TestEnforcementRestart(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "b")
		f.said("a", f.newest())
		f.said("b", f.newest())
		f.Advance(time.Second)
		number := f.revoke()
		f.said("b", number)
		f.stop()
		again := newFleet(t, f.CA)
		s, err := again.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []int{2, 2, 0}, []int{s.Known, s.Connected, s.Lagging})
		next := again.watch(t.Context(), number)
		p := next()
		require.Equal(t, []int{1, 1}, []int{p.Enforcing, p.Waiting})
		again.said("a", number)
		p = until(next, revoke.Progress.Done)
		require.Equal(t, 2, p.Enforcing)
		require.Negative(t, p.Slowest)
	})
}

// A report of a number that no list has changes nothing: it is refused, alarmed and
// on record, once a minute at most. A liar who is new does not exist.
func TestAhead(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "liar")
		f.said("a", f.newest())
		number := f.revoke()
		for range 3 {
			for _, name := range []string{"a", "liar"} {
				ahead, ok := errors.AsType[*revoke.AheadError](f.say(name, number+1))
				require.True(t, ok)
				require.Equal(t, revoke.AheadError{Number: number + 1, Newest: number}, *ahead)
			}
		}
		s, err := f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, int64(6), s.Refused)
		require.Equal(t, []string{"a"}, names(s.Parties))
		require.Less(t, s.Parties[0].Number, number)
		require.Equal(t, 1, f.watch(t.Context(), number)().Waiting)
		require.Equal(t, 2, f.lines.count("cannot have"))
		entries := f.Audit("enforcement.refuse")
		require.Len(t, entries, 2)
		require.Equal(t, "gateway/a", entries[0].Actor)
		require.Equal(t, home.String(), entries[0].Address)

		f.Advance(time.Minute)
		require.Error(t, f.say("a", number+1))
		require.Len(t, f.Audit("enforcement.refuse"), 3)
	})
}

// A number that is reserved is no list's yet. On a store that others share we
// cannot know who has signed it, but no revocation will ever get it.
func TestAheadReserved(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a")
		first, err := f.Store.ReserveCRLNumbers(t.Context(), 10)
		require.NoError(t, err)
		err = f.say("a", first+9)
		if !f.Store.Shared() {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Error(t, f.say("a", first+10))
		require.Equal(t, 1, f.watch(t.Context(), f.revoke())().Waiting)
	})
}

// A relying party whose list is older than three heartbeats lags: it is logged
// once, told of, and forgiven when it has caught up.
func TestLagging(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "b")
		var signed []int64
		for range 5 {
			signed = append(signed, f.revoke())
			f.Sample()
			f.Advance(10 * time.Second)
		}
		f.revoke()
		threeAgo, older := signed[2], signed[1]
		f.said("a", threeAgo)
		f.said("b", older)
		f.said("b", older)
		s, err := f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 1, s.Lagging)
		require.Equal(t, []string{"b", "a"}, names(s.Parties))
		require.True(t, s.Parties[0].Lagging)
		require.Equal(t, []int64{f.newest() - older, f.newest() - threeAgo}, []int64{s.Parties[0].Lag, s.Parties[1].Lag})
		require.Equal(t, 1, f.lines.count("a relying party lags"))
		f.said("b", f.newest())
		s, err = f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Zero(t, s.Lagging)
	})
}

// A summary is bounded, the worst first, and says how many it left out.
func TestSummary(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("back", "gone", "slow", "good")
		n := f.newest()
		f.sign(n + 10)
		f.said("gone", n)
		f.Advance(5 * time.Minute)
		f.said("good", n+10)
		f.said("slow", n+9)
		f.said("back", n+10)
		f.said("back", n+9)
		s, err := f.Summary(t.Context(), 3)
		require.NoError(t, err)
		require.Equal(t, []string{"back", "gone", "slow"}, names(s.Parties))
		require.Equal(t, []int{4, 3, 1, 1}, []int{s.Known, s.Connected, s.Lagging, s.More})
	})
}

// Who was silent for 30 days is forgotten, here and in the store.
func TestForget(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		f.join("a", "b")
		f.said("a", f.newest())
		f.Keep()
		f.Advance(30*24*time.Hour + time.Minute)
		f.said("b", f.newest())
		f.Forget()
		s, err := f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, names(s.Parties))
		f.Keep()
		kept, err := f.Store.EnforcementReports(t.Context(), time.Time{})
		require.NoError(t, err)
		require.Len(t, kept, 1)
	})
}

// Nonsense is refused, and changes nothing.
func TestBadReports(t *testing.T) {
	f := newFleet(t, enrolltest.New(t))
	f.join("a")
	good := revoke.Report{Issuer: f.Authority.IssuerID(), Number: f.newest(), EnforcedAt: f.Now(), Connections: 1}
	for name, spoil := range map[string]func(*revoke.Report){
		"no issuer":          func(r *revoke.Report) { r.Issuer = "" },
		"no number":          func(r *revoke.Report) { r.Number = 0 },
		"negative":           func(r *revoke.Report) { r.Number = -1 },
		"negative sessions":  func(r *revoke.Report) { r.Connections = -1 },
		"too many sessions":  func(r *revoke.Report) { r.Connections = 1 << 40 },
		"no time":            func(r *revoke.Report) { r.EnforcedAt = time.Time{} },
		"in the future":      func(r *revoke.Report) { r.EnforcedAt = f.Now().Add(6 * time.Minute) },
		"far in the future":  func(r *revoke.Report) { r.EnforcedAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
		"before there is CA": func(r *revoke.Report) { r.EnforcedAt = time.Unix(0, 0) },
	} {
		r := good
		spoil(&r)
		require.ErrorIs(t, f.Report(t.Context(), revoke.Reporter{Identity: "gateway/a"}, r), revoke.ErrReport, name)
	}
	s, err := f.Summary(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, s.Known)
	good.EnforcedAt = f.Now().Add(4 * time.Minute) // clocks differ
	require.NoError(t, f.Report(t.Context(), revoke.Reporter{Identity: "gateway/a", Address: netip.Addr{}}, good))
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
	eventually(t, func() bool { return there.Revoked() == number }, "the revocation's way to the other replica")
	there.Keep()
	here.said("a", number)
	there.said("b", number)
	there.said("c", number)
	p := until(next, revoke.Progress.Done)
	require.Equal(t, []int{3, 0, 0}, []int{p.Enforcing, p.Waiting, p.Away})
	require.GreaterOrEqual(t, p.Slowest, time.Duration(0))
	s, err := there.Summary(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, min(s.Known, 2))
}
