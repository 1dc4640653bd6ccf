package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at returns a fact as of a machine of a site.
func at(site string, f Fact) Fact {
	f.Site = site
	return f
}

// A machine that is used from a new network, a week after it was first heard of, is an alert,
// held for half an hour, for a day.
func TestB01(t *testing.T) {
	t.Run("fires, and is over", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 8)
		w.tell(used(pump, s, far, w.now))
		require.Empty(t, w.e.Open(), "it is held")
		w.sleep(30 * time.Minute)
		a := w.one("B01")
		require.Contains(t, a.Facts[0], "10.1.2.0/24")
		require.Contains(t, a.Facts[1], "203.0.113.0/24")
		require.Len(t, a.Entries, 2)
		require.Equal(t, Medium, a.Severity)
		w.tell(used(pump, s, far, w.now))
		require.Equal(t, int64(1), w.one("B01").Count, "once for each network")
		w.sleep(day)
		require.Empty(t, w.opened("B01"))
	})
	t.Run("while it is learned", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 7) // the last use is an hour short of it
		w.now = w.now.Add(-time.Second)
		w.tell(used(pump, s, far, w.now))
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("the same network", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 8)
		w.tell(used(pump, s, "10.1.2.200", w.now))
		w.none()
	})
	for _, site := range []string{"ward 3", ""} {
		t.Run("three of a site have moved: "+site, func(t *testing.T) {
			w := newWorld(t)
			ids, serials := []string{"device/a", "device/b", "device/c"}, map[string]string{}
			for range 9 * 24 {
				for _, id := range ids {
					if serials[id] == "" || w.seq[""]%14 == 0 {
						serials[id] = w.issue(id, home, serials[id] != "")
					}
					w.tell(at(site, used(id, serials[id], home, w.now)))
				}
				w.sleep(time.Hour)
			}
			w.e.held = nil // of certificates that this test lets expire
			for i, id := range ids {
				w.issue(id, home, true)
				w.tell(at(site, used(id, serials[id], "10.7.7.7", w.now)))
				if i == 1 {
					w.sleep(31 * time.Minute)
					require.Len(t, w.opened("B01"), 2, "two are no crowd")
				}
			}
			require.Empty(t, w.opened("B01"), "three are")
			w.sleep(time.Hour)
			require.Empty(t, w.opened("B01"))
		})
	}
	for name, site := range map[string]string{"planned work": "ward 3", "planned work everywhere": ""} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.settle(pump, home, 8)
			w.tell(Fact{Kind: Window, Site: site, Ends: w.now.Add(2 * time.Hour)})
			w.tell(at("ward 3", used(pump, s, far, w.now)))
			w.sleep(time.Hour)
			w.none()
			w.sleep(time.Hour)
			w.tell(at("ward 3", used(pump, s, "198.51.100.1", w.now)))
			w.sleep(30 * time.Minute)
			w.one("B01")
		})
	}
}

// What a machine never asked for is an alert after a week, more so where it reads ePHI, unless
// three of its role do so.
func TestB02(t *testing.T) {
	other := func(id, s string, w *world, reads bool) Fact {
		f := used(id, s, home, w.now)
		f.Resource, f.Reads = "Patient", reads
		return f
	}
	t.Run("fires", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 8)
		w.tell(other(pump, s, w, false))
		w.sleep(30 * time.Minute)
		a := w.one("B02")
		require.Equal(t, Low, a.Severity)
		require.Contains(t, a.Facts[0], "Patient")
		w.tell(other(pump, s, w, false))
		w.sleep(time.Hour)
		require.Equal(t, int64(1), w.one("B02").Count, "once")
		w.sleep(day)
		w.none()
	})
	t.Run("reads", func(t *testing.T) {
		w := newWorld(t)
		w.tell(other(pump, w.settle(pump, home, 8), w, true))
		w.sleep(30 * time.Minute)
		require.Equal(t, Medium, w.one("B02").Severity)
	})
	t.Run("while it is learned", func(t *testing.T) {
		w := newWorld(t)
		w.tell(other(pump, w.settle(pump, home, 6), w, true))
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("a new version", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 8)
		w.tell(other(pump, s, w, true))
		w.tell(other("device/b", serial(w.now, 1), w, true))
		w.tell(other("device/c", serial(w.now, 2), w, true))
		w.sleep(time.Hour)
		w.none()
	})
}

// A renewal in the first third of a life is early, and the fourth in one is one too many; but
// a reply that was lost is none, and neither is what three of a role do on one day.
func TestB03Early(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after []time.Duration
		from  string
		want  Severity
	}{
		{"at a third", []time.Duration{8 * time.Hour}, home, 0},
		{"before", []time.Duration{8*time.Hour - time.Second}, home, Low},
		{"a lost reply", []time.Duration{14 * time.Hour, 10 * time.Minute}, home, 0},
		{"from elsewhere", []time.Duration{10 * time.Minute}, "10.1.2.8", Low},
		{"four times", []time.Duration{8 * time.Hour, 8 * time.Hour, 7 * time.Hour, 30 * time.Minute}, home, Medium},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.issue(pump, home, false)
			for i, d := range tt.after {
				w.sleep(d)
				from := home
				if i == len(tt.after)-1 {
					from = tt.from
				}
				w.issue(pump, from, true)
			}
			w.sleep(30 * time.Minute)
			if tt.want == 0 {
				w.none()
				return
			}
			require.Equal(t, tt.want, w.one("B03").Severity)
			w.sleep(day)
			w.none()
		})
	}
	t.Run("three of a role", func(t *testing.T) {
		w := newWorld(t)
		for i := range 3 {
			w.issue(fmt.Sprintf("device/%d", i), home, false)
		}
		w.sleep(time.Hour)
		for i := range 3 {
			w.issue(fmt.Sprintf("device/%d", i), home, true)
		}
		w.sleep(time.Hour)
		w.none()
	})
}

// A certificate that is in use in its last tenth was not renewed in time; one that is not in
// use is not looked for.
func TestB03Missed(t *testing.T) {
	w := newWorld(t)
	s := w.issue(pump, home, false)
	w.sleep(day * 9 / 10)
	w.tell(used(pump, s, home, w.now))
	w.sleep(time.Hour)
	w.none()
	w.tell(used(pump, s, home, w.now))
	w.sleep(30 * time.Minute)
	a := w.one("B03")
	require.Equal(t, Medium, a.Severity)
	require.Equal(t, []Ref{{"", 1}, {guard(1), 2}}, a.Entries)
	w.issue(pump, home, true)
	w.none()
}

// A machine that was silent for a month is an alert when it wakes, and should be vouched for
// after three; one that is always silent for weeks has its own measure.
func TestB04(t *testing.T) {
	wakes := func(w *world, id string) []Change {
		n := len(w.changes)
		w.issue(id, home, false)
		w.sleep(30 * time.Minute)
		return w.changes[n:]
	}
	t.Run("a month", func(t *testing.T) {
		w := newWorld(t)
		w.issue(pump, home, false)
		w.sleep(30 * day)
		wakes(w, pump)
		w.none()
		w.sleep(30*day + time.Hour - 29*time.Minute)
		c := wakes(w, pump)
		require.Equal(t, Medium, w.one("B04").Severity)
		require.Empty(t, c[0].Propose)
		w.sleep(day)
		w.none()
		w.sleep(91 * day)
		require.Equal(t, Hold, wakes(w, pump)[0].Propose)
	})
	t.Run("its own measure", func(t *testing.T) {
		w := newWorld(t)
		for range 6 {
			w.issue(pump, home, false)
			w.sleep(10 * day)
		}
		w.sleep(40 * day) // it may be fifty
		wakes(w, pump)
		w.none()
	})
	t.Run("by the log's word", func(t *testing.T) {
		w := newWorld(t)
		w.tell(Fact{Kind: Late, Identity: pump, Ends: w.now.Add(-30 * day)})
		w.none()
		w.tell(Fact{Kind: Late, Identity: pump, Ends: w.now.Add(-30*day - time.Second)})
		w.sleep(30 * time.Minute)
		w.one("B04")
	})
	t.Run("a ward opens", func(t *testing.T) {
		w := newWorld(t)
		for _, pass := range []int{0, 1} {
			for i := range 4 {
				id := fmt.Sprintf("device/%d", i)
				w.tell(at("ward 3", Fact{Kind: Issued, Identity: id, Address: addr(home), Serial: serial(w.now, i+1), Ends: w.now.Add(day)}))
			}
			w.sleep(time.Duration(1-pass) * 40 * day)
		}
		w.sleep(time.Hour)
		w.none()
	})
}

// Far more than ever in an hour is an alert, after two weeks, once an hour; three of a role on
// one day have something to catch up with.
func TestB05(t *testing.T) {
	fetch := func(w *world, id, s string, bytes int64) {
		f := used(id, s, home, w.now)
		f.Bytes = bytes
		w.tell(f)
	}
	// It moves 2,000 bytes an hour, so that the bound is what is little for any machine.
	t.Run("fires", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 15)
		fetch(w, pump, s, leastKiB<<10)
		w.none()
		fetch(w, pump, s, 1<<10)
		w.sleep(10 * time.Minute)
		a := w.one("B05")
		require.Contains(t, a.Facts[0], "65536")
		require.Contains(t, a.Facts[1], "65537")
		fetch(w, pump, s, 1<<30)
		require.Equal(t, int64(1), w.one("B05").Count, "once an hour")
		w.sleep(day)
		require.Empty(t, w.opened("B05"))
	})
	t.Run("by its own measure", func(t *testing.T) {
		w := newWorld(t)
		s := w.issue(pump, home, false)
		for range 15 * 24 {
			fetch(w, pump, s, 1<<30)
			w.sleep(time.Hour)
			w.e.held = nil // its certificate has expired, in this test
		}
		for range 15 {
			fetch(w, pump, s, 1<<30) // sixteen times as much, and percentiles are exact to two
		}
		w.e.drop(w.e.rule("B03"), missedKey(pump))
		w.sleep(10 * time.Minute)
		require.Len(t, w.opened("B05"), 0)
		fetch(w, pump, s, 1<<30)
		w.sleep(10 * time.Minute)
		require.Len(t, w.opened("B05"), 1)
	})
	t.Run("requests", func(t *testing.T) {
		w := newWorld(t)
		s := w.settle(pump, home, 15)
		for range leastAsks {
			fetch(w, pump, s, 1)
		}
		w.none()
		fetch(w, pump, s, 1)
		w.sleep(10 * time.Minute)
		require.Contains(t, w.one("B05").Facts[1], "2001 requests")
	})
	t.Run("while it is learned", func(t *testing.T) {
		w := newWorld(t)
		fetch(w, pump, w.settle(pump, home, 13), 1<<30)
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("three of a role", func(t *testing.T) {
		w := newWorld(t)
		var all [3]string
		for range 15 * 24 {
			for i := range all {
				id := fmt.Sprintf("device/%d", i)
				if all[i] == "" || w.now.Hour()%12 == 0 {
					all[i] = w.issue(id, home, all[i] != "")
				}
				fetch(w, id, all[i], 2000)
			}
			w.sleep(time.Hour)
		}
		for i := range all {
			fetch(w, fmt.Sprintf("device/%d", i), all[i], 1<<30)
		}
		w.sleep(time.Hour)
		w.none()
	})
}
