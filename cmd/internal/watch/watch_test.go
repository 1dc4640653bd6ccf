package watch

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A ward is a watch over the log of a CA.
type ward struct {
	*Watch
	*session
	*enrolltest.CA
	t *testing.T
}

func newWard(t *testing.T, dsn string) *ward {
	c := enrolltest.Open(t, dsn)
	return &ward{CA: c, t: t, Watch: New(Config{Store: c.Store, Registrar: c.Registrar, Name: "ca-1", Memory: 1, Now: c.Now, Log: slog.New(slog.DiscardHandler)})}
}

// tell puts something on record, as it happens.
func (w *ward) tell(action, subject string, detail map[string]any) {
	w.t.Helper()
	e := audit.Event{Action: action, Actor: subject, Subject: subject, Address: "192.0.2.7", Outcome: "ok", Detail: detail}
	require.NoError(w.t, w.CA.Store.Update(w.t.Context(), func(*store.Tx) audit.Event { return e }))
}

// reuse is a token of a machine that is used twice: rule A06.
func (w *ward) reuse(path string) {
	w.tell("token.reuse", path, map[string]any{"proof": "token:" + path})
}

// start begins the watch, as after a crash.
func (w *ward) start() {
	w.t.Helper()
	var err error
	w.session, err = w.begin(w.t.Context())
	require.NoError(w.t, err)
}

// run reads all that is new.
func (w *ward) run() {
	w.t.Helper()
	for more := true; more; {
		var err error
		more, err = w.round(w.t.Context())
		require.NoError(w.t, err)
	}
}

// minute has it be a minute later.
func (w *ward) minute() {
	w.t.Helper()
	w.Advance(time.Minute)
	w.run()
	require.NoError(w.t, w.due(w.t.Context(), true))
}

// open returns the rules and subjects of what is open, on record.
func (w *ward) open() (all []string) {
	w.t.Helper()
	alerts, err := w.OpenAlerts(w.t.Context())
	require.NoError(w.t, err)
	for _, a := range alerts {
		all = append(all, a.Rule+" "+a.Subject)
	}
	return all
}

// told returns what the log has about alerts, an alert by its number.
func (w *ward) told() (all []string) {
	w.t.Helper()
	entries, err := w.CA.Store.EntriesAfter(w.t.Context(), 0, 10_000)
	require.NoError(w.t, err)
	for _, e := range entries {
		if a, what, ok := alert.FromEntry(e); ok {
			all = append(all, alert.Name(a.ID)+" "+string(what)+" "+a.Subject)
		}
	}
	return all
}

// What happens becomes an alert, which is on record and in the log, once; a person has seen
// it; and it resolves once somebody has dealt with the machine.
func TestWatch(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := newWard(t, dsn)
		w.start()
		w.reuse("device/a")
		w.run()
		require.Equal(t, []string{"A06 device/a"}, w.open())
		alerts, err := w.OpenAlerts(t.Context())
		require.NoError(t, err)
		a := alerts[0]
		reused := w.Audit("token.reuse")
		require.Equal(t, []alert.Ref{{Seq: reused[0].Seq}}, a.Entries)

		cleo := enroll.Actor{Name: "auditor/cleo", Address: netip.MustParseAddr("192.0.2.9")}
		for _, word := range []string{"", " ", "two\nlines"} {
			_, err = w.Acknowledge(t.Context(), cleo, a.ID, word)
			require.ErrorAs(t, err, new(*api.BadRequestError))
		}
		_, err = w.Acknowledge(t.Context(), cleo, 99, "seen")
		require.ErrorIs(t, err, store.ErrNotFound)
		seen, err := w.Acknowledge(t.Context(), cleo, a.ID, "the ward asked for it twice")
		require.NoError(t, err)
		require.Equal(t, alert.Acknowledged, seen.State)
		w.reuse("device/a")
		w.run()
		alerts, err = w.OpenAlerts(t.Context())
		require.NoError(t, err)
		require.Equal(t, []any{alert.Acknowledged, "auditor/cleo", "the ward asked for it twice", int64(2)}, []any{alerts[0].State, alerts[0].By, alerts[0].Word, alerts[0].Count})

		require.Equal(t, []any{"acknowledged", "auditor/cleo"}, []any{w.Audit("alert.count")[0].Detail["state"], w.Audit("alert.count")[0].Detail["by"]}, "what is told of it from then on says so")

		w.tell("identity.revoke", "device/a", map[string]any{"serials": []string{}})
		w.Advance(8 * 24 * time.Hour)
		w.minute()
		require.Empty(t, w.open())
		require.Equal(t, []string{"alert/1 open device/a", "alert/1 acknowledge device/a", "alert/1 count device/a", "alert/1 resolve device/a"}, w.told())
		ack := w.Audit("alert.acknowledge")[0]
		require.Equal(t, []string{"auditor/cleo", "192.0.2.9"}, []string{ack.Actor, ack.Address})
		_, err = w.Acknowledge(t.Context(), cleo, a.ID, "late")
		require.ErrorAs(t, err, new(*enroll.ConflictError))
	})
}

// A daemon may be killed at any point: what happened is an alert all the same, once, with
// one number for ever.
func TestKilled(t *testing.T) {
	for name, kill := range map[string]func(w *ward){
		"before it read": func(w *ward) { w.reuse("device/b") },
		"read, not on record": func(w *ward) {
			w.reuse("device/b")
			_, err := w.read(w.t.Context(), "", 1<<60)
			require.NoError(w.t, err)
			require.NotEmpty(w.t, w.changes)
		},
		"on record": func(w *ward) { w.reuse("device/b"); w.run() },
		"on record, and more happened": func(w *ward) {
			w.reuse("device/b")
			w.run()
			w.tell("identity.suspend", "device/z", nil)
			w.run()
		},
		"saved": func(w *ward) {
			w.reuse("device/b")
			w.run()
			require.NoError(w.t, w.save(w.t.Context()))
		},
		"saved, and ended": func(w *ward) { w.reuse("device/b"); w.run(); require.NoError(w.t, w.end(w.t.Context())) },
		"seen by somebody": func(w *ward) {
			w.reuse("device/b")
			w.run()
			_, err := w.Acknowledge(w.t.Context(), enroll.Actor{Name: "auditor/cleo"}, 2, "seen")
			require.NoError(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, storetest.SQLite(t))
			w.start()
			w.reuse("device/a")
			w.run()
			kill(w)
			for range 2 {
				w.start()
				w.run()
				require.Equal(t, []string{"A06 device/a", "A06 device/b"}, w.open())
				require.Len(t, w.engine.Open(), 2)
			}
			w.reuse("device/b")
			w.run()
			told := w.told()
			require.Equal(t, 1, count(told, "alert/1 open device/a"))
			require.Equal(t, 1, count(told, "alert/2 open device/b"))
			w.reuse("device/c")
			w.run()
			require.Equal(t, 1, count(w.told(), "alert/3 open device/c"), "no number is given twice")
		})
	}
}

func count(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// Of two daemons one has the watch; who lost it, and does not know, records nothing, and
// the other finds what it had not.
func TestTwo(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := newWard(t, dsn)
		w.start()
		old := w.session
		w.reuse("device/a")
		w.start()
		_, err := old.round(t.Context())
		require.ErrorIs(t, err, store.ErrStale)
		require.ErrorIs(t, old.save(t.Context()), store.ErrStale)
		w.run()
		require.Equal(t, []string{"alert/1 open device/a"}, w.told())
	})
}

// How far the watch is shows in the database within a minute, though nothing comes of what it
// reads; who has lost the watch says nothing of it.
func TestNoted(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	w.start()
	w.tell("daemon.start", "self", nil)
	w.minute()
	on, err := w.CA.Store.Watched(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, w.Now(), on.At, 10*time.Second)
	old := w.session
	w.start()
	require.Equal(t, w.CA.Store.LogSize(), w.at[""], "it goes on there")
	w.Advance(time.Minute)
	require.ErrorIs(t, old.due(t.Context(), true), store.ErrStale, "and ends")
}

// What the rules have learned outlives a restart: a machine that the watch knows for a week
// is an old acquaintance to the next.
func TestSaved(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	w.start()
	w.tell("certificate.issue", "device/a", map[string]any{"serial": "019a00000000000000000000000000aa", "proof": "token:01"})
	w.run()
	known := w.engine.Stats().Machines
	require.NoError(t, w.save(t.Context()))
	require.NoError(t, w.save(t.Context()), "nothing is new")
	w.start()
	require.Equal(t, known, w.engine.Stats().Machines)
	at := w.at[""]
	w.tell("certificate.issue", "device/b", map[string]any{"serial": "019a00000000000000000000000000ab", "proof": "token:02"})
	w.reuse("device/a")
	w.run()
	w.start()
	require.Greater(t, w.at[""], at)
	require.Equal(t, known+1, w.engine.Stats().Machines, "it went through what came since")
	require.Zero(t, w.engine.Stats().Repeated, "no entry was read twice")
}

// A log that is long when the watch begins for the first time is not gone through; what
// comes from then on is, whatever becomes of the watch before it has recorded anything.
func TestFirst(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	w.reuse("device/a")
	w.start()
	w.run()
	require.Equal(t, []string{"A06 device/a"}, w.open(), "a short one is")

	w = newWard(t, storetest.SQLite(t))
	w.reuse("device/a")
	ends, err := (&session{Watch: w.Watch}).ends(t.Context(), false)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"": w.CA.Store.LogSize()}, ends)
}

// What no entry says is measured: a receiver that is behind, a checkpoint that is missing,
// machines that do not renew.
func TestMeasured(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	lag := time.Duration(0)
	w.Lags = func(context.Context) ([]Lag, error) { return []Lag{{"siem", lag}}, nil }
	_, err := w.CA.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	w.start()
	w.minute()
	require.Empty(t, w.open())
	lag = 6 * time.Minute
	w.minute()
	require.Equal(t, []string{"A08 "}, w.open())
	w.start() // killed: no entry leads there again
	w.minute()
	require.Equal(t, []string{"A08 "}, w.open())
	lag = 0
	w.minute()
	require.Empty(t, w.open())

	w.CA.Stop()
	w.Advance(3 * time.Hour)
	w.minute()
	require.Equal(t, []string{"A08 "}, w.open())
	w.tell("daemon.start", "self", nil)
	_, err = w.CA.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	w.minute()

	counts := []store.LifeCount{{Role: "device", Site: "north", Counted: w.Now(), Active: 40, First: "device/a", FirstAt: w.Now().Add(time.Hour)}}
	var ends enroll.Ends
	for range 40 {
		ends.Add(time.Hour)
	}
	counts[0].Ends, err = ends.MarshalBinary()
	require.NoError(t, err)
	require.NoError(t, w.CA.Store.Relaxed(t.Context(), func(tx *store.RelaxedTx) { tx.ReplaceLife(counts) }))
	w.minute()
	require.Contains(t, w.open(), "F05 north")
}

// A machine's alert says where it stands, and planned work there keeps baselines and fleet
// rules quiet.
func TestSites(t *testing.T) {
	w := newWard(t, storetest.SQLite(t))
	require.NoError(t, w.CA.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
		tx.CreateIdentity(store.Identity{Path: "device/a", Role: "device", Name: "a", Site: "north", State: store.Active})
		return audit.Event{Action: "identity.create", Outcome: "ok"}
	}))
	w.start()
	w.reuse("device/a")
	w.run()
	alerts, err := w.OpenAlerts(t.Context())
	require.NoError(t, err)
	require.Equal(t, "north", alerts[0].Site)

	ada := enroll.Actor{Name: "operator/ada"}
	require.ErrorAs(t, w.Quiet(t.Context(), ada, "north", w.Now().Add(8*24*time.Hour), "move"), new(*api.BadRequestError))
	require.ErrorAs(t, w.Quiet(t.Context(), ada, "north\n", w.Now(), "move"), new(*api.BadRequestError))
	require.ErrorAs(t, w.Quiet(t.Context(), ada, "north", w.Now(), ""), new(*api.BadRequestError))
	require.NoError(t, w.Quiet(t.Context(), ada, "", w.Now().Add(time.Hour), "new pumps"))
	burst := func() {
		for i := range 30 {
			w.tell("certificate.issue", "device/n"+string(rune('a'+i%26))+w.Now().Format("150405"), map[string]any{"proof": "token:01"})
		}
		w.run()
	}
	burst()
	require.Equal(t, []string{"A06 device/a"}, w.open(), "it was planned")
	require.NoError(t, w.Quiet(t.Context(), ada, "", w.Now(), "done early"))
	burst()
	require.Contains(t, w.open(), "F01 role device")
}

// A snapshot that is damaged costs what was learned, and no place in a log.
func TestUnpack(t *testing.T) {
	at := map[string]int64{"": 7, "h/device/a/journal/01": 9}
	b, err := pack(at, []byte("engine"))
	require.NoError(t, err)
	got, engine, err := unpack(b)
	require.NoError(t, err)
	require.Equal(t, at, got)
	require.Equal(t, "engine", string(engine))
	for n := range len(b) - len("engine") {
		_, _, err := unpack(b[:n])
		require.Error(t, err)
	}
	_, _, err = unpack(slices.Concat([]byte{255, 255, 255, 255}, b))
	require.Error(t, err)
}
