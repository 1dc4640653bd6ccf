package enforcement_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store"
)

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
		require.Equal(t, revoketest.Home.String(), p.Missing[0].Address)

		f.said("a", number)
		p = until(next, func(p enforcement.Progress) bool { return p.Enforcing == 1 })
		require.ElementsMatch(t, []string{"b", "c", "gone", "long-gone"}, names(p.Missing))
		f.said("b", number-1)
		f.Advance(time.Second)
		f.said("b", number)
		f.Advance(time.Second)
		f.said("b", number) // once more: it is as fast as it was
		f.said("a", number)
		f.said("c", number)
		last := f.Now().Sub(p.RevokedAt)
		p = until(next, enforcement.Progress.Done)
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

func pull(words iter.Seq2[enforcement.Progress, error]) (p enforcement.Progress, err error, ok bool) {
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
		until(next, func(p enforcement.Progress) bool { return p.Enforcing == 1 })
		f.said("a", old)
		p := until(next, func(p enforcement.Progress) bool { return p.Enforcing == 0 })
		require.Equal(t, 2, p.Waiting)
		require.Equal(t, 1, f.lines.count("a relying party lags"))
		f.said("a", number)
		f.said("b", number)
		require.True(t, until(next, enforcement.Progress.Done).Done())
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
		fell, err := f.revoker.Identity(t.Context(), revoketest.Root, "gateway/thief", orders)
		require.NoError(t, err)
		f.sign(fell.Number)
		next := f.watch(t.Context(), fell.Number)
		require.Equal(t, []string{"a"}, names(next().Missing))
		f.said("a", fell.Number)
		require.True(t, until(next, enforcement.Progress.Done).Done())
		s, err := f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names(s.Parties))
	})
}

// Of however many that were revoked together nothing is asked twice, and they are
// forgotten in one write; of who cannot wait for that, nothing is lost.
func TestSettleMany(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		names := []string{"a", "b", "c", "d"}
		for _, name := range names {
			f.certify("gateway/" + name)
			f.said(name, f.newest())
		}
		for _, name := range names[1:] {
			f.end("gateway/" + name)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		_, err := f.Summary(ended, 10)
		require.ErrorIs(t, err, context.Canceled)
		before := f.Store.Stats().Calls
		s, err := f.Summary(t.Context(), 10)
		require.NoError(t, err)
		require.Equal(t, 1, s.Known)
		require.Equal(t, "gateway/a", s.Parties[0].Identity)
		require.EqualValues(t, 1, f.Store.Stats().Calls-before)
	})
}

// Where certificates of two issuers fell, both lists count; where those of one
// fell, the other's list does not.
func TestWatchIssuers(t *testing.T) {
	eachFleet(t, func(t *testing.T, f *fleet) {
		const other = "00112233445566778899aabbccddeeff00112233"
		f.join("a")
		f.mu.Lock()
		f.signed[other] = f.signed[f.issuer]
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
		require.Equal(t, 1, until(next, enforcement.Progress.Done).Enforcing)

		number = f.end("gateway/both")
		next = f.watch(t.Context(), number)
		require.Equal(t, 1, next().Waiting)
		f.said("a", number)
		require.Equal(t, 1, next().Waiting)
		f.Advance(time.Second)
		require.NoError(t, f.sayOf("a", other, number))
		p := until(next, enforcement.Progress.Done)
		require.Equal(t, 1, p.Enforcing)
		require.GreaterOrEqual(t, p.Slowest, time.Second)
		require.ErrorIs(t, f.sayOf("a", "stranger", 1), enforcement.ErrOtherIssuer)

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
		p = until(next, enforcement.Progress.Done)
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
				ahead, ok := errors.AsType[*enforcement.AheadError](f.say(name, number+1))
				require.True(t, ok)
				require.Equal(t, enforcement.AheadError{Number: number + 1, Newest: number}, *ahead)
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
		require.Equal(t, revoketest.Home.String(), entries[0].Address)

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
