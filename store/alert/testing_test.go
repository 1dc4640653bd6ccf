package alert

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// begin is when the tests' worlds begin: a midnight.
var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// A world is an engine with a clock and a log.
type world struct {
	t       testing.TB
	e       *Engine
	now     time.Time
	seq     map[string]int64
	changes []Change
}

func newWorld(t testing.TB) *world {
	return &world{t: t, e: New(Config{}), now: begin, seq: map[string]int64{}}
}

// sleep lets time pass, a tick each minute of what is short, each hour of what is long.
func (w *world) sleep(d time.Duration) {
	step := time.Minute
	if d > 6*time.Hour {
		step = time.Hour
	}
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(step, end.Sub(w.now)))
		w.changes = append(w.changes, w.e.Tick(w.now)...)
	}
}

// tell has a fact observed, now if it says no other time, as the next entry of its log.
func (w *world) tell(f Fact) []Change {
	if f.At.IsZero() {
		f.At = w.now
	}
	if f.Seq == 0 && f.Kind < kindsOfEntries {
		w.seq[f.Origin]++
		f.Seq = w.seq[f.Origin]
	}
	c := w.e.Observe(f)
	w.changes = append(w.changes, c...)
	return c
}

// opened lists the alerts of a rule that are open.
func (w *world) opened(rule string) (all []Alert) {
	for _, a := range w.e.Open() {
		if a.Rule == rule {
			all = append(all, a)
		}
	}
	return all
}

// one returns the only open alert, which is of that rule, and looks that it says what every
// alert says.
func (w *world) one(rule string) Alert {
	w.t.Helper()
	all := w.e.Open()
	require.Len(w.t, all, 1)
	a := all[0]
	require.Equal(w.t, rule, a.Rule)
	require.NotEmpty(w.t, a.Facts[0], "the fact that it compared")
	require.NotEmpty(w.t, a.Facts[1], "and the other")
	require.NotZero(w.t, a.Severity)
	return a
}

// none looks that nothing is open, and nothing is held.
func (w *world) none() {
	w.t.Helper()
	require.Empty(w.t, w.e.Open())
	require.Empty(w.t, w.e.held)
}

// serial returns the n-th serial number of the time t.
func serial(t time.Time, n int) string { return fmt.Sprintf("%012x%020x", t.UnixMilli(), n) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func guard(n int) string { return fmt.Sprintf("hospital.example/service/gate-%d/journal/0a", n) }

// issue has a certificate issued to a machine, for a day, and returns its serial.
func (w *world) issue(id, from string, renewal bool) string {
	s := serial(w.now, int(w.seq[""])+1)
	w.tell(Fact{Kind: Issued, Identity: id, Address: addr(from), Serial: s, Ends: w.now.Add(day), Renewal: renewal})
	return s
}

// used returns that a machine used a certificate before guard 1 from an address, now.
func used(id, serial, from string, since time.Time) Fact {
	return Fact{
		Kind: Used, Origin: guard(1), Identity: id, Serial: serial, Address: addr(from), Since: since,
		Other: "service/gate-1", Route: "fhir", Resource: "Observation", Bytes: 2000,
	}
}

// settle has a machine renew each 14 hours, and used each hour from one address, for some
// days, and returns its newest certificate.
func (w *world) settle(id, from string, days int) string {
	s := w.issue(id, from, false)
	renew := w.now.Add(14 * time.Hour)
	for end := w.now.Add(time.Duration(days) * day); w.now.Before(end); {
		if !w.now.Before(renew) {
			s, renew = w.issue(id, from, true), w.now.Add(14*time.Hour)
		}
		w.tell(used(id, s, from, w.now))
		w.sleep(time.Hour)
	}
	w.none()
	return s
}
