package deliver_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// bubble runs f with a store of its own and a clock that runs when nobody works.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	dsn := storetest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dsn)
		defer func() { require.NoError(t, w.Close()) }()
		f(t, w)
	})
}

// Everything on record leaves in the order of its log, of the CA and of each guard, once;
// what comes later leaves at once; and after a restart it goes on where it was.
func TestDeliver(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 450)
		a, b := w.guard("gateway/a"), w.guard("gateway/b")
		a.ship(700)
		b.ship(3)
		siem := &receiver{}
		e := w.engine(w.DB, outlet("siem", siem))
		stop := start(t, e)
		time.Sleep(10 * time.Second)
		check := func() {
			t.Helper()
			whole(t, siem.taken(), origin, 1, w.LogSize())
			whole(t, siem.taken(), a.origin(), 1, a.size)
			whole(t, siem.taken(), b.origin(), 1, b.size)
			s := e.Status()[0]
			require.EqualValues(t, len(siem.taken()), s.Sent)
			require.Zero(t, s.Waiting)
			require.Zero(t, s.Lag)
			require.True(t, s.Active)
		}
		check()
		for _, r := range siem.taken() {
			require.Equal(t, r.Source.Origin != origin, r.Source.Guard)
			require.Equal(t, r.Source.Origin == b.origin(), r.Source.ID == "spiffe://hospital.example/gateway/b")
		}

		w.record("token.revoke", 1)
		time.Sleep(time.Second)
		check()
		b.ship(5)
		time.Sleep(3 * time.Second)
		check()
		stop()
		require.True(t, siem.closed)

		w.record("token.create", 1)
		a.ship(2)
		all := siem.taken()
		siem.got = nil
		defer start(t, w.engine(w.DB, outlet("siem", siem)))()
		time.Sleep(5 * time.Second)
		require.Len(t, siem.taken(), 3)
		siem.got = append(all, siem.got...)
		whole(t, siem.taken(), origin, 1, w.LogSize())
		whole(t, siem.taken(), a.origin(), 1, a.size)
	})
}

// A new sink that is not to have the past begins with what comes, of journals that are
// there, too; one with another name is a new one. That it began is on record.
func TestFromNowOn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 5)
		a := w.guard("gateway/a")
		a.ship(4)
		before := w.LogSize()
		siem := &receiver{}
		new := outlet("siem", siem)
		new.All = false
		stop := start(t, w.engine(w.DB, new))
		time.Sleep(3 * time.Second)
		a.ship(2)
		w.record("token.create", 1)
		time.Sleep(3 * time.Second)
		whole(t, siem.taken(), origin, before+1, w.LogSize())
		whole(t, siem.taken(), a.origin(), 5, 6)
		first := siem.taken()[0].Entry
		require.Equal(t, "delivery.begin", first.Action)
		require.Equal(t, "siem", first.Subject)
		require.Equal(t, "now", first.Detail["since"])
		stop()

		other := &receiver{}
		defer start(t, w.engine(w.DB, outlet("other", other)))()
		time.Sleep(3 * time.Second)
		whole(t, other.taken(), origin, 1, w.LogSize())
		all, err := w.Deliveries(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"other", "siem"}, []string{all[0].Sink, all[1].Sink})
	})
}

// A sink that wants some actions gets them alone, and is through with the rest: what is
// not for it neither waits nor is read again.
func TestEvents(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 2500)
		w.record("alert.open", 2)
		pager := &receiver{}
		o := outlet("pager", pager)
		o.Events, o.Journals = deliver.Patterns{"alert.*"}, false
		e := w.engine(w.DB, o)
		defer start(t, e)()
		time.Sleep(time.Minute)
		require.Len(t, pager.taken(), 2)
		w.record("token.create", 10)
		time.Sleep(time.Minute)
		require.Len(t, pager.taken(), 2)
		require.Zero(t, e.Status()[0].Waiting)
		at, err := w.Delivered(t.Context(), "pager", store.OwnLog)
		require.NoError(t, err)
		require.Equal(t, w.LogSize(), at)
		b, err := w.Backlog(t.Context(), "pager", false)
		require.NoError(t, err)
		require.Zero(t, b, "as a doctor sees it")
	})
}

func TestPatterns(t *testing.T) {
	p := deliver.Patterns{"alert.*", "certificate.revoke"}
	require.NoError(t, p.Check())
	for action, want := range map[string]bool{"alert.open": true, "certificate.revoke": true, "certificate.revoked": false, "alert": false, "": false} {
		require.Equal(t, want, p.Match(action), action)
	}
	require.True(t, deliver.Patterns(nil).Match("x"))
	require.True(t, deliver.Patterns{"*"}.Match("x"))
	for _, bad := range []string{"", "Alert.*", "a*b", "alert.*\n", "**"} {
		require.Error(t, deliver.Patterns{"a", bad}.Check(), bad)
	}
	for want, all := range map[bool][]deliver.Patterns{
		true:  {nil, {"*"}, {"a*"}, {"access.*"}, {"access.request"}, {"x", "journal.gap"}, {"access.r*"}},
		false: {{"alert.*"}, {"al*", "access"}, {"certificate.issue"}},
	} {
		for _, one := range all {
			require.Equal(t, want, one.Guards(), one)
		}
	}
}

// A sink that is down for a day is asked now and then, holds nothing up, costs no memory,
// says since when and why, and gets everything afterwards.
func TestDown(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		siem, other := &receiver{}, &receiver{}
		siem.answer(func([]deliver.Record) (int, error) { return 0, errDown })
		well := outlet("other", other)
		well.Journals = false
		e := w.engine(w.DB, outlet("siem", siem), well)
		defer start(t, e)()
		w.record("token.create", 1)
		began := time.Now()
		time.Sleep(12 * time.Hour)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		w.record("token.create", 3000)
		time.Sleep(12 * time.Hour)
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Less(t, int64(after.HeapInuse)-int64(before.HeapInuse), int64(8<<20))
		whole(t, other.taken(), origin, 1, w.LogSize())
		require.Less(t, siem.asked(), 700, "a few times an hour")
		require.Greater(t, siem.asked(), 24*12)
		require.Empty(t, siem.taken())
		s := e.Status()[0]
		require.WithinDuration(t, began, s.Failing, 2*time.Second)
		require.Equal(t, errDown.Error(), s.Trouble)
		require.EqualValues(t, w.LogSize(), s.Waiting)
		require.InDelta(t, (24 * time.Hour).Seconds(), s.Lag.Seconds(), 60)
		all, err := w.Deliveries(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, began, all[1].Failing, 2*time.Second)
		require.Equal(t, errDown.Error(), all[1].Trouble)

		siem.answer(nil)
		time.Sleep(6 * time.Minute)
		whole(t, siem.taken(), origin, 1, w.LogSize())
		s = e.Status()[0]
		require.Zero(t, s.Lag)
		require.Zero(t, s.Failing)
		all, err = w.Deliveries(t.Context())
		require.NoError(t, err)
		require.Zero(t, all[1].Failing)
		require.NotZero(t, all[1].Told)
	})
}

// A sink that takes a part of a batch gets the rest, and nothing twice; one that never
// answers is given up for a while.
func TestPart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 1000)
		siem := &receiver{}
		siem.answer(func(batch []deliver.Record) (int, error) { return min(len(batch), 70), errDown })
		defer start(t, w.engine(w.DB, outlet("siem", siem)))()
		time.Sleep(time.Minute)
		whole(t, siem.taken(), origin, 1, w.LogSize())
	})
}

// Who dies after a sink has taken records, and before that is on disk, delivers them
// again: with the same ids, and nothing less.
func TestRepeats(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 300)
		ctx, cancel := context.WithCancel(t.Context())
		siem := &receiver{}
		siem.answer(func(batch []deliver.Record) (int, error) {
			if batch[0].Entry.Seq > 1 { // the daemon dies
				require.NoError(t, w.Close())
				cancel()
			}
			return len(batch), nil
		})
		require.NoError(t, w.engine(w.DB, outlet("siem", siem)).Run(ctx))
		first := siem.taken()
		w.DB = w.another()
		siem.answer(nil)
		siem.got = nil
		defer start(t, w.engine(w.DB, outlet("siem", siem)))()
		time.Sleep(5 * time.Second)
		again := siem.taken()
		whole(t, again, origin, 201, w.LogSize())
		whole(t, append(first[:200:200], again...), origin, 1, w.LogSize())
		repeated := first[200:]
		require.NotEmpty(t, repeated)
		for i, r := range repeated {
			require.Equal(t, r.Message().ID(), again[i].Message().ID())
			require.Equal(t, r.Message().JSON(), again[i].Message().JSON())
		}
	})
}

// A record that the receiver refuses is passed over after some tries, and the log says
// which; the others arrive.
func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 20)
		g := w.guard("gateway/a")
		g.ship(10)
		siem := &receiver{}
		siem.answer(func(batch []deliver.Record) (int, error) {
			for i, r := range batch {
				if r.Entry.Seq == 7 {
					return i, refuse("422 no\nsuch code\x1b[31m" + string(make([]byte, 1000)))
				}
			}
			return len(batch), nil
		})
		e := w.engine(w.DB, outlet("siem", siem))
		defer start(t, e)()
		time.Sleep(30 * time.Second)
		require.Len(t, siem.taken(), 6, "it is not given up so soon")
		time.Sleep(10 * time.Minute)
		refused := slices.DeleteFunc(siem.taken(), func(r deliver.Record) bool { return r.Entry.Action != "delivery.refuse" })
		require.Len(t, refused, 2)
		for i, log := range []string{origin, g.origin()} {
			e := refused[i].Entry
			require.Equal(t, "siem", e.Subject)
			require.Equal(t, log, e.Detail["log"])
			require.Equal(t, "7", e.Detail["entry"].(interface{ String() string }).String())
			require.Regexp(t, `^422 no\\x0asuch code\\x1b\[31m\\x00`, e.Outcome)
			require.LessOrEqual(t, len(e.Outcome), 300)
		}
		require.Len(t, siem.taken(), int(w.LogSize())-1+9)
		require.EqualValues(t, 2, e.Status()[0].Refused)
		require.Zero(t, e.Status()[0].Waiting)
	})
}

// A batch of a journal that somebody cut, or wrote over, stops nobody: what can be read of
// it is delivered, and what comes after it.
func TestSpoiltJournal(t *testing.T) {
	for name, spoil := range map[string]func(frames []byte) []byte{
		"cut at an entry":   func(b []byte) []byte { return b[:len(b)/5*2] },
		"cut in an entry":   func(b []byte) []byte { return b[:len(b)/5*2+3] },
		"empty":             func([]byte) []byte { return []byte{} },
		"a length of 4 GiB": func(b []byte) []byte { copy(b[len(b)/5*2:], "\xff\xff\xff\xff"); return b },
		"another sealed":    func(b []byte) []byte { b[len(b)/5*3-1] ^= 1; return b },
		"too long":          func(b []byte) []byte { return append(b, b...) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				g := w.guard("gateway/a")
				g.spoil = spoil
				g.ship(5)
				g.spoil = nil
				g.ship(2)
				siem := &receiver{}
				e := w.engine(w.DB, outlet("siem", siem))
				defer start(t, e)()
				time.Sleep(10 * time.Second)
				var seqs []int64
				for _, r := range siem.taken() {
					if r.Source.Guard {
						seqs = append(seqs, r.Entry.Seq)
					}
				}
				require.Equal(t, []int64{6, 7}, seqs[len(seqs)-2:])
				require.Zero(t, e.Status()[0].Waiting)
				switch name {
				case "empty":
					require.Len(t, seqs, 2)
				case "another sealed", "too long":
					require.Len(t, seqs, 7)
				default:
					require.Equal(t, []int64{1, 2, 6, 7}, seqs)
				}
			})
		})
	}
}

// A receiver that refuses everything does not drain the log: it is passed over more and
// more slowly.
func TestRefusesEverything(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 50)
		siem := &receiver{}
		siem.answer(func([]deliver.Record) (int, error) { return 0, refuse("400 what is this") })
		e := w.engine(w.DB, outlet("siem", siem))
		defer start(t, e)()
		time.Sleep(24 * time.Hour)
		n := e.Status()[0].Refused
		require.Greater(t, n, uint64(5))
		require.Less(t, n, uint64(12))
		require.EqualValues(t, 51+n, w.LogSize(), "an entry for each")
		siem.answer(nil)
		time.Sleep(10 * time.Minute)
		require.Zero(t, e.Status()[0].Waiting)
		whole(t, siem.taken(), origin, int64(n)+1, w.LogSize())
	})
}

// What tells of a refusal makes no other one when it is refused: it would go round for
// ever.
func TestRefusesRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.record("token.create", 1)
		siem := &receiver{}
		siem.answer(func([]deliver.Record) (int, error) { return 0, refuse("400 what is this") })
		e := w.engine(w.DB, outlet("siem", siem))
		defer start(t, e)()
		time.Sleep(2 * time.Hour)
		require.EqualValues(t, 4, w.LogSize(), "a token, that delivery begins, and of both that they were refused")
		require.EqualValues(t, 4, e.Status()[0].Refused)
		require.Zero(t, e.Status()[0].Waiting)
	})
}
