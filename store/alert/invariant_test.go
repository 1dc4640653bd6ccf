package alert

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	pump = "device/pump-7"
	home = "10.1.2.7"
	far  = "203.0.113.9"
)

// A key of another identity is an alert at once, one for each pair, and is over when the
// identity is revoked or a week is quiet.
func TestA01(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/pump-8"})
	}
	a := w.one("A01")
	require.Equal(t, int64(3), a.Count)
	require.Equal(t, []Ref{{"", 1}, {"", 2}, {"", 3}}, a.Entries)
	require.Equal(t, Critical, a.Severity)
	w.tell(Fact{Kind: Revoked, Identity: pump})
	w.none()

	w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/pump-8"})
	w.sleep(7*day - time.Hour)
	w.one("A01")
	w.sleep(time.Hour)
	w.none()
}

// A certificate that is renewed with two keys has two holders, unless it is the same machine
// that asks again at once, because the answer got lost.
func TestA02Fork(t *testing.T) {
	fork := func(child, from, code string) Fact {
		return Fact{Kind: Forked, Identity: pump, Serial: child, Address: addr(from), Code: code, Why: "renewed with another key"}
	}
	for _, tt := range []struct {
		name  string
		after time.Duration
		from  string
		code  string
		inUse bool
		fires bool
	}{
		{"lost reply", 10 * time.Minute, home, CodeOtherKey, false, false},
		{"too late for a lost reply", 10*time.Minute + time.Second, home, CodeOtherKey, false, true},
		{"from elsewhere", time.Minute, far, CodeOtherKey, false, true},
		{"what was issued is in use", time.Minute, home, CodeOtherKey, true, true},
		{"the child was confirmed", time.Minute, home, CodeInUse, false, true},
		{"left behind", time.Minute, home, CodeBehind, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.issue(pump, home, false)
			w.sleep(14 * time.Hour)
			child := w.issue(pump, home, true)
			if tt.inUse {
				w.tell(used(pump, child, home, w.now))
			}
			w.sleep(tt.after)
			changes := w.tell(fork(child, tt.from, tt.code))
			if !tt.fires {
				w.none()
				require.Equal(t, int64(1), w.e.Stats().Suppressed)
				return
			}
			a := w.one("A02")
			require.Equal(t, []Ref{{"", 2}, {"", 3}}, a.Entries, "the renewal, and the fork")
			require.Len(t, changes, 1)
			require.Equal(t, Suspend, changes[0].Propose)
			require.Equal(t, pump, changes[0].Subject)
			w.issue(pump, home, true)
			w.one("A02") // the one of the two that renews is no proof that it is the right one
			w.issue(pump, home, false)
			require.Empty(t, w.opened("A02"))
		})
	}
	t.Run("of a machine that is not known", func(t *testing.T) {
		w := newWorld(t)
		w.tell(fork(serial(begin, 1), home, CodeOtherKey))
		w.one("A02")
	})
}

// A key that begins a connection when its successor has been in use for more than ten minutes
// is a copy; what began before may go on, and so may a program on the same address.
func TestA02Outlived(t *testing.T) {
	for _, tt := range []struct {
		name  string
		since time.Duration // of the old key's connection, after the new key's first
		from  string
		fires bool
	}{
		{"in the overlap", 10 * time.Minute, far, false},
		{"after it", 10*time.Minute + time.Second, far, true},
		{"a connection that began before", -time.Hour, far, false},
		{"a program that has not loaded the new one", time.Hour, home, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			old := w.issue(pump, home, false)
			w.tell(used(pump, old, home, w.now))
			w.sleep(14 * time.Hour)
			next := w.issue(pump, home, true)
			first := w.now
			w.tell(used(pump, next, home, first))
			w.sleep(2 * time.Hour)
			w.tell(used(pump, old, tt.from, first.Add(tt.since)))
			if !tt.fires {
				w.none()
				return
			}
			a := w.one("A02")
			require.Equal(t, []Ref{{guard(1), 2}, {guard(1), 3}}, a.Entries)
			w.tell(Fact{Kind: Suspended, Identity: pump})
			w.none()
		})
	}
}

// toAndFro has a machine used from one network, another, and the first again, before a guard.
func toAndFro(w *world, id, s, other string, gap time.Duration) {
	for i, from := range []string{home, other, home} {
		if i > 0 {
			w.sleep(gap)
		}
		w.tell(used(id, s, from, w.now))
	}
}

// One key that is used from two networks to and fro within a minute is in two places.
func TestA03(t *testing.T) {
	for _, tt := range []struct {
		name  string
		other string
		gap   time.Duration
		fires bool
	}{
		{"to and fro", far, 59 * time.Second, true},
		{"a minute apart", far, time.Minute, false},
		{"the same network", "10.1.2.99", time.Second, false},
		{"IPv6 beside IPv4", "2001:db8::1", time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			toAndFro(w, pump, w.issue(pump, home, false), tt.other, tt.gap)
			w.sleep(5 * time.Minute)
			if !tt.fires {
				w.none()
				return
			}
			a := w.one("A03")
			require.Contains(t, a.Facts[0], "203.0.113.0/24")
			require.Contains(t, a.Facts[1], "10.1.2.0/24")
			w.sleep(day)
			w.none()
		})
	}
	t.Run("a move does not come back", func(t *testing.T) {
		w := newWorld(t)
		s := w.issue(pump, home, false)
		w.tell(used(pump, s, home, w.now))
		w.tell(used(pump, s, far, w.now))
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("back after two minutes", func(t *testing.T) {
		w := newWorld(t)
		s := w.issue(pump, home, false)
		w.tell(used(pump, s, home, w.now))
		w.sleep(time.Second)
		w.tell(used(pump, s, far, w.now))
		w.sleep(2 * time.Minute)
		w.tell(used(pump, s, home, w.now))
		w.sleep(time.Hour)
		w.none()
	})
	t.Run("a machine with two legs", func(t *testing.T) {
		w := newWorld(t)
		s := w.issue(pump, home, false)
		w.tell(used(pump, s, home, w.now))
		w.sleep(2 * time.Hour)
		w.tell(used(pump, s, far, w.now))
		w.sleep(day)
		s = w.issue(pump, home, true)
		toAndFro(w, pump, s, far, time.Second)
		w.sleep(time.Hour)
		require.Empty(t, w.opened("A03"))
	})
	t.Run("both sides of a translator", func(t *testing.T) {
		w := newWorld(t)
		for i := range 4 {
			id := fmt.Sprintf("device/pump-%d", i)
			toAndFro(w, id, w.issue(id, home, false), "10.9.9.9", time.Second)
		}
		w.sleep(time.Hour)
		w.none()
		require.NotZero(t, w.e.Stats().Suppressed)
	})
	t.Run("a translator that shows late", func(t *testing.T) {
		w := newWorld(t)
		for i := range 3 {
			id := fmt.Sprintf("device/pump-%d", i)
			toAndFro(w, id, w.issue(id, home, false), "10.9.9.9", time.Second)
			w.sleep(time.Hour)
		}
		w.none()
		require.Contains(t, w.changes[len(w.changes)-1].Alert.Why, "three machines")
	})
}

// A void certificate is an alert, one for each machine and guard, and over after an hour
// or when the machine has a new one.
func TestA04(t *testing.T) {
	w := newWorld(t)
	void := func(code, peer string) Fact {
		return Fact{Kind: Void, Identity: pump, Address: addr(home), Serial: serial(begin, 1), Code: code, Other: peer, Why: "it is " + code}
	}
	w.tell(void(CodeRevoked, ""))
	w.tell(void(CodeRevoked, ""))
	a := w.one("A04")
	require.Equal(t, High, a.Severity)
	require.Equal(t, int64(2), a.Count)
	w.sleep(59 * time.Minute)
	w.tell(void(CodeRevoked, ""))
	require.Equal(t, int64(3), w.one("A04").Count, "it is the same alert an hour later")
	w.sleep(59 * time.Minute)
	w.one("A04")
	w.sleep(time.Minute)
	w.none()

	w.tell(void(CodeExpired, "service/gate-1"))
	require.Equal(t, Low, w.one("A04").Severity)
	w.issue(pump, home, true)
	w.none()
}

// A guard that lets a revoked certificate through is an alert, also if its record comes before
// the revocation is known; what ended within two minutes was in time.
func TestA05(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		fires bool
	}{{"in time", 2 * time.Minute, false}, {"too late", 2*time.Minute + time.Second, true}} {
		for _, order := range []string{"revoked first", "told first"} {
			t.Run(tt.name+", "+order, func(t *testing.T) {
				w := newWorld(t)
				s := w.issue(pump, home, false)
				w.sleep(time.Hour)
				revoked := Fact{Kind: Revoked, Identity: pump, Serials: []string{s}, At: w.now}
				use := used(pump, s, home, w.now)
				use.At = w.now.Add(tt.after)
				w.sleep(time.Hour)
				if order == "revoked first" {
					w.tell(revoked)
					w.tell(use)
				} else {
					w.tell(use)
					w.tell(revoked)
				}
				if !tt.fires {
					w.none()
					return
				}
				a := w.one("A05")
				require.Equal(t, Critical, a.Severity)
				require.ElementsMatch(t, []Ref{{"", 2}, {guard(1), 1}}, a.Entries)
				w.sleep(day)
				w.none()
			})
		}
	}
}

// A token that is used up, or of another network, is an alert of that token.
func TestA06(t *testing.T) {
	w := newWorld(t)
	w.tell(Fact{Kind: Misused, Code: CodeReused, Other: "token:0a", Identity: pump, Address: addr(far)})
	w.tell(Fact{Kind: Misused, Code: CodeReused, Other: "token:0a", Identity: pump, Address: addr(far)})
	a := w.one("A06")
	require.Equal(t, High, a.Severity)
	require.Equal(t, "token:0a", a.Key)
	w.sleep(day)
	w.none()
	w.tell(Fact{Kind: Misused, Code: CodeNetwork, Other: "token:0b", Address: addr(far)})
	require.Contains(t, w.one("A06").Facts[1], "network")
}

// A certificate that nobody issued is an alert of that certificate, also while work is planned.
func TestA07(t *testing.T) {
	w := newWorld(t)
	w.tell(Fact{Kind: Window, Ends: w.now.Add(day)})
	w.tell(Fact{Kind: Unissued, Identity: pump, Serial: serial(begin, 9), Other: "service/gate-1", Origin: guard(1), Seq: 17})
	a := w.one("A07")
	require.Equal(t, []Ref{{guard(1), 17}}, a.Entries)
	w.sleep(30 * day)
	w.none()
}

// Lags and ages are alerts beyond their bounds, and over at half of them.
func TestA08(t *testing.T) {
	for _, tt := range []struct {
		fact Fact
		most time.Duration
	}{
		{Fact{Kind: Lag, Other: "syslog"}, 5 * time.Minute},
		{Fact{Kind: Checkpoint}, 2 * time.Hour},
	} {
		w := newWorld(t)
		measure := func(age time.Duration) {
			f := tt.fact
			f.Age = age
			w.tell(f)
		}
		w.sleep(time.Minute)
		measure(tt.most)
		w.none()
		measure(tt.most + time.Second)
		w.one("A08")
		measure(tt.most/2 + time.Second)
		w.one("A08") // no flutter
		measure(tt.most / 2)
		w.none()
	}
	w := newWorld(t)
	w.sleep(time.Minute)
	w.tell(Fact{Kind: Verified})
	w.none()
	w.tell(Fact{Kind: Verified, Why: "entry 7 was edited"})
	require.Contains(t, w.one("A08").Facts[1], "entry 7 was edited")
	w.tell(Fact{Kind: Verified})
	w.none()
	w.tell(Fact{Kind: Evidence, Identity: "service/gate-1", Code: "a fork", Why: "it goes back"})
	w.one("A08")
	w.sleep(7 * day)
	w.none()
}

// Emergency powers are an alert for as long as they last.
func TestA09(t *testing.T) {
	w := newWorld(t)
	w.tell(Fact{Kind: Emergency, Identity: "officer/ben", Why: "fire in the server room"})
	require.Contains(t, w.one("A09").Facts[1], "fire in the server room")
	w.tell(Fact{Kind: Calm, Identity: "officer/ben"})
	w.none()
}
