package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// More than twenty enrolments of a role in an hour are a burst, where nobody has planned them;
// and where that hour has seen more on other days, five times as many.
func TestF01(t *testing.T) {
	enrol := func(w *world, n int) {
		for range n {
			w.issue(fmt.Sprintf("device/new-%d", w.seq[""]), home, false)
		}
	}
	w := newWorld(t)
	enrol(w, 20)
	w.none()
	for range 30 {
		w.issue(pump, home, true) // renewals are none
	}
	w.e.held = nil
	enrol(w, 1)
	a := w.one("F01")
	require.Equal(t, High, a.Severity)
	require.Contains(t, a.Facts[1], "21")
	w.sleep(2 * time.Hour)
	w.none()

	w.tell(Fact{Kind: Window, Ends: w.now.Add(time.Hour)})
	enrol(w, 200)
	w.none()

	w = newWorld(t)
	for range 4 { // ten each day at this hour
		enrol(w, 10)
		w.sleep(day)
	}
	enrol(w, 50)
	w.none()
	enrol(w, 1)
	w.one("F01")
}

// One source that fails ten times in five minutes guesses, and so does one that speaks of five.
func TestF02(t *testing.T) {
	fails := func(w *world, from, about string) []Change {
		return w.tell(Fact{Kind: Stranger, Address: addr(from), Other: about, Why: "not a token"})
	}
	t.Run("ten", func(t *testing.T) {
		w := newWorld(t)
		for i := range 10 {
			if i > 0 {
				w.sleep(time.Duration([]int{0, 33, 33, 33, 33, 33, 33, 33, 33, 36}[i]) * time.Second) // five minutes
			}
			if i < 9 {
				require.Empty(t, fails(w, far, ""))
				continue
			}
			c := fails(w, far, "")
			require.Equal(t, Block, c[0].Propose)
			require.Equal(t, far, c[0].Subject)
		}
		w.one("F02")
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("ten in more than five minutes", func(t *testing.T) {
		w := newWorld(t)
		for range 40 {
			fails(w, far, "")
			w.sleep(34 * time.Second)
		}
		w.none()
	})
	t.Run("ten sources", func(t *testing.T) {
		w := newWorld(t)
		for i := range 10 {
			fails(w, fmt.Sprintf("203.0.113.%d", i), "")
		}
		w.none()
	})
	t.Run("five names", func(t *testing.T) {
		w := newWorld(t)
		for i := range 5 {
			w.none()
			fails(w, far, fmt.Sprintf("token:%d", i))
		}
		w.one("F02")
	})
	t.Run("five names, slowly", func(t *testing.T) {
		w := newWorld(t)
		for i := range 9 {
			fails(w, far, fmt.Sprintf("token:%d", i))
			w.sleep(80 * time.Second)
		}
		w.none()
	})
	t.Run("one machine of IPv6 with many addresses", func(t *testing.T) {
		w := newWorld(t)
		for i := range 10 {
			fails(w, fmt.Sprintf("2001:db8::%d", i+1), "")
		}
		w.one("F02")
	})
	t.Run("more than are on record", func(t *testing.T) {
		w := newWorld(t)
		w.tell(Fact{Kind: Dropped, Count: 1000})
		w.one("F02")
	})
}

// A clock that is off by more than two minutes for a quarter of an hour is an alert; eleven are
// one, of the time server. A guard's clock shows by its records.
func TestF03(t *testing.T) {
	clock := func(w *world, n int, off time.Duration) {
		w.tell(Fact{Kind: Clock, Identity: fmt.Sprintf("device/%d", n), Age: off})
	}
	t.Run("one", func(t *testing.T) {
		w := newWorld(t)
		w.sleep(time.Minute)
		clock(w, 1, 2*time.Minute)
		w.sleep(time.Hour)
		w.none()
		clock(w, 1, -121*time.Second)
		w.sleep(14 * time.Minute)
		require.Empty(t, w.e.Open())
		w.sleep(time.Minute)
		require.Equal(t, Low, w.one("F03").Severity)
		clock(w, 1, 0)
		w.none()
	})
	t.Run("healed in time", func(t *testing.T) {
		w := newWorld(t)
		w.sleep(time.Minute)
		clock(w, 1, time.Hour)
		w.sleep(14 * time.Minute)
		clock(w, 1, time.Second)
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("the time server", func(t *testing.T) {
		w := newWorld(t)
		w.sleep(time.Minute)
		for i := range 10 {
			clock(w, i, time.Hour)
		}
		w.sleep(15 * time.Minute)
		require.Len(t, w.e.Open(), 10)
		for i := range 40 {
			clock(w, 10+i, time.Hour)
		}
		w.sleep(15 * time.Minute)
		a := w.one("F03")
		require.Len(t, a.Subjects, maxSubjects)
		require.Equal(t, int64(50), a.Count)
		w.sleep(2 * time.Hour)
		w.none()
	})
	t.Run("of a guard", func(t *testing.T) {
		w := newWorld(t)
		w.sleep(time.Minute)
		f := used(pump, serial(begin, 1), home, w.now)
		f.At = w.now.Add(2 * time.Minute)
		w.tell(f)
		w.sleep(time.Hour)
		w.none()
		f.At = w.now.Add(2*time.Minute + time.Second)
		w.tell(f)
		w.sleep(15 * time.Minute)
		require.Equal(t, "service/gate-1", w.one("F03").Subject)
		f.At = w.now
		w.tell(f)
		w.none()
	})
	t.Run("of who asks for a certificate", func(t *testing.T) {
		w := newWorld(t)
		w.sleep(time.Minute)
		asks := func(off time.Duration) {
			w.tell(Fact{Kind: Issued, Identity: pump, Serial: serial(w.now, 1), Renewal: true, Age: off})
		}
		asks(-2 * time.Minute)
		w.sleep(time.Hour)
		w.none()
		asks(-3 * time.Minute)
		w.sleep(15 * time.Minute)
		require.Contains(t, w.one("F03").Facts[1], pump+" is 3 minutes behind")
		asks(0)
		require.Empty(t, w.opened("F03"))
	})
}

// More than one in fifty of a role that cannot renew in an hour are a bad rollout.
func TestF04(t *testing.T) {
	fails := func(w *world, n int) []Change {
		return w.tell(Fact{Kind: Refused, Identity: fmt.Sprintf("device/%d", n), Why: "names are not covered"})
	}
	w := newWorld(t)
	w.tell(Fact{Kind: Census, Other: "device", Count: 500})
	for i := range 10 {
		fails(w, i)
		fails(w, i) // once each
	}
	w.none()
	c := fails(w, 10)
	require.Equal(t, Pause, c[0].Propose)
	require.Contains(t, w.one("F04").Facts[1], "11")
	w.sleep(2 * time.Hour)
	w.none()
	for i := range 20 { // as many, an hour apart
		w.sleep(30 * time.Minute)
		fails(w, i)
	}
	w.none()

	w = newWorld(t)
	for i := range 4 {
		fails(w, i)
	}
	w.none()
	fails(w, 4)
	w.one("F04")

	w = newWorld(t)
	w.tell(Fact{Kind: Window, Ends: begin.Add(day)})
	for i := range 50 {
		fails(w, i)
	}
	w.none()
}

// Certificates of a site that end without a renewal are one alert, if there are twice as many
// as at that hour of other days; machines that sleep at night are as many each night.
func TestF05(t *testing.T) {
	count := func(w *world, n int64) {
		w.tell(Fact{Kind: Unrenewed, Site: "ward 3", Count: n, Of: 100, Other: pump, Ends: w.now.Add(time.Hour)})
	}
	w := newWorld(t)
	w.sleep(time.Minute)
	count(w, 50)
	w.none()
	count(w, 51)
	a := w.one("F05")
	require.Equal(t, "ward 3", a.Site)
	require.Equal(t, Low, a.Severity)
	count(w, 50)
	w.none()

	w = newWorld(t)
	w.sleep(time.Minute)
	for range 7 {
		count(w, 18)
		w.sleep(day)
	}
	count(w, 36)
	w.none()
	count(w, 37)
	w.one("F05")
	w.sleep(48 * time.Hour)
	w.none()
}
