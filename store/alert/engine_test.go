package alert

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is told again changes nothing, in whichever order, as long as it is within 64 of the
// newest of its log; what is older than that counts as known.
func TestRepeated(t *testing.T) {
	w := newWorld(t)
	w.sleep(time.Minute)
	taken := func(origin string, seq int64) []Change {
		return w.e.Observe(Fact{Kind: KeyTaken, Origin: origin, Seq: seq, At: w.now, Identity: pump, Other: "device/b"})
	}
	for _, seq := range []int64{5, 3, 3, 5, 4, 70, 7, 70, 6} { // 7 is within 64 of 70, 6 is not
		taken("", seq)
	}
	require.Equal(t, int64(5), w.one("A01").Count, "3, 4, 5, 7 and 70")
	taken(guard(1), 3)
	require.Equal(t, int64(6), w.one("A01").Count, "each log has its own numbers")
	require.Equal(t, int64(4), w.e.Stats().Repeated)
}

// What a guard tells of more than a week ago is passed over, and only counted.
func TestOld(t *testing.T) {
	w := newWorld(t)
	w.sleep(time.Minute)
	f := Fact{Kind: Evidence, Identity: pump, Code: "x", Origin: guard(1), Seq: 1, At: w.now.Add(-behindMost - time.Second)}
	require.Empty(t, w.e.Observe(f))
	require.Equal(t, int64(1), w.e.Stats().Old)
	f.Seq, f.At = 2, w.now.Add(-behindMost)
	require.Len(t, w.e.Observe(f), 1)
}

// The sixth machine of a site for which a rule finds the same makes them one alert, which goes
// on to propose for each machine, once an hour.
func TestGather(t *testing.T) {
	w := newWorld(t)
	fork := func(i int, site string) []Change {
		return w.tell(Fact{Kind: Forked, Identity: fmt.Sprintf("device/%d", i), Site: site, Code: CodeInUse})
	}
	for i := range 5 {
		fork(i, "ward 3")
	}
	fork(9, "ward 4")
	require.Len(t, w.e.Open(), 6)
	changes := fork(5, "ward 3")
	require.Len(t, changes, 6, "five are gathered, one is opened")
	require.Len(t, w.e.Open(), 2)
	a := w.e.Open()[1]
	require.Equal(t, "site ward 3", a.Key)
	require.Equal(t, int64(6), a.Count)
	require.Len(t, a.Subjects, 6)
	require.Len(t, a.Entries, 6)
	require.Equal(t, Change{What: Opening, Alert: a, Propose: Suspend, Subject: "device/5"}, changes[5])
	c := fork(6, "ward 3")
	require.Equal(t, Suspend, c[0].Propose)
	require.Empty(t, fork(6, "ward 3"), "it is proposed already")
	for range 20 {
		for _, c := range fork(6, "ward 3") {
			require.Empty(t, c.Propose, "it is told, and not proposed again")
		}
	}
	w.sleep(time.Hour)
	require.Equal(t, Suspend, fork(6, "ward 3")[0].Propose)
}

// An acknowledged alert stays open, with who said what, and resolves by itself.
func TestAcknowledge(t *testing.T) {
	w := newWorld(t)
	w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/b"})
	c, err := w.e.Acknowledge(1, "auditor/eve", "an image,\nwritten twice\u202e")
	require.NoError(t, err)
	require.Equal(t, Acknowledging, c.What)
	a := w.one("A01")
	require.Equal(t, Acknowledged, a.State)
	require.Equal(t, `an image,\x0awritten twice\u202e`, a.Word)
	w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/b"})
	require.Equal(t, Acknowledged, w.one("A01").State, "a repetition does not open it again")
	w.sleep(7 * day)
	w.none()
	_, err = w.e.Acknowledge(1, "auditor/eve", "again")
	require.ErrorIs(t, err, ErrNotOpen)
}

// An alert that repeats is told of at each doubling, and by the tick in between.
func TestTold(t *testing.T) {
	w := newWorld(t)
	n := 0
	for range 1000 {
		n += len(w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/b"}))
	}
	require.Equal(t, 10, n)
	c := w.e.Tick(w.now.Add(time.Minute))
	require.Len(t, c, 1)
	require.Equal(t, int64(1000), c[0].Alert.Count)
	require.Empty(t, w.e.Tick(w.now.Add(2*time.Minute)))
}

// An engine that is restored goes on as the one that was saved would have: same changes, same
// state.
func TestSnapshot(t *testing.T) {
	w := newWorld(t)
	s := w.settle(pump, home, 15)
	w.tell(used(pump, s, far, w.now)) // held
	w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/b"})
	w.tell(Fact{Kind: Revoked, Identity: "device/c", Serials: []string{serial(begin, 7)}})
	w.tell(Fact{Kind: Window, Site: "ward 9", Ends: w.now.Add(day)})
	for range 9 {
		w.tell(Fact{Kind: Stranger, Address: addr(far)})
	}
	saved := w.e.Snapshot()
	other, err := Restore(Config{}, saved)
	require.NoError(t, err)
	require.True(t, bytes.Equal(saved, other.Snapshot()))
	w.changes = nil
	go1, go2 := w.e, other
	var changes [2][]Change
	for i, e := range []*Engine{go1, go2} {
		now := w.now
		for _, f := range []Fact{
			{Kind: Stranger, Seq: 9001, Address: addr(far)},
			{Kind: Used, Origin: guard(2), Seq: 1, Identity: "device/c", Serial: serial(begin, 7), Other: "service/gate-2"},
			used(pump, s, home, now),
		} {
			f.At = now.Add(3 * time.Minute)
			changes[i] = append(changes[i], e.Observe(f)...)
		}
		changes[i] = append(changes[i], e.Tick(now.Add(time.Hour))...)
	}
	require.Equal(t, changes[0], changes[1])
	rules := map[string]bool{}
	for _, c := range changes[0] {
		rules[c.Alert.Rule] = c.What == Opening
	}
	require.Subset(t, rules, map[string]bool{"F02": true, "A05": true, "B01": true}, "what was counted, remembered and held")
	require.True(t, bytes.Equal(go1.Snapshot(), go2.Snapshot()))
}

// A snapshot that is damaged, cut, of another version or made by somebody else gives a new
// engine and a word.
func TestRestoreDamaged(t *testing.T) {
	w := newWorld(t)
	w.settle(pump, home, 1)
	good := w.e.Snapshot()
	sealed := func(b []byte) []byte { // as by somebody who knows the form
		sum := sha256.Sum256(b)
		return append(b, sum[:]...)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	huge := append([]byte(magic), 2, 0, 0, 0, '{', '}')
	huge = binary.LittleEndian.AppendUint32(huge, math.MaxUint32)
	for name, b := range map[string][]byte{
		"nothing": nil, "cut": good[:len(good)-1], "flipped": flipped, "another version": append([]byte("betonica alert state 9\n"), good[len(magic):]...),
		"no salt": sealed(append([]byte(magic), 2, 0, 0, 0, '{', '}')), "rows that are not there": sealed(huge),
		"more than there is": sealed(append(bytes.Clone(good[:len(good)-sha256.Size]), 0)),
	} {
		e, err := Restore(Config{}, b)
		require.Error(t, err, name)
		require.Contains(t, err.Error(), "learned anew", name)
		require.Zero(t, e.Stats().Machines, name)
		require.NotPanics(t, func() { e.Observe(used(pump, serial(begin, 1), home, begin)) }, name)
	}
}

// A million machines, and a million more that somebody makes up, keep within the memory that
// is stated; who was learned is not washed out, and what does not fit is counted.
func TestMemory(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("it takes long, and there is one goroutine")
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	e := New(Config{})
	e.Tick(begin)
	room := Config{}.machines()
	for i := range 1_000_000 {
		e.Observe(Fact{
			Kind: Used, Origin: guard(i % 20_000), Seq: int64(i + 1), At: begin, Identity: fmt.Sprintf("device/%d", i), Site: fmt.Sprintf("site %d", i%50_000),
			Serial: serial(begin, i+1), Address: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), Other: fmt.Sprintf("service/%d", i), Route: "fhir",
		})
		e.Observe(Fact{Kind: Stranger, Seq: int64(2*i + 1), At: begin, Address: netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1}), Other: "x"})
		e.Observe(Fact{Kind: KeyTaken, Seq: int64(2*i + 2), At: begin, Identity: fmt.Sprintf("device/%d", i), Site: fmt.Sprintf("site %d", i), Other: strings.Repeat("x", 300)})
	}
	took := heap() - before
	s := e.Stats()
	t.Logf("%d bytes of heap, snapshot of %d, room for %d machines; %+v", took, len(e.Snapshot()), room, s)
	require.Less(t, took, int64(defaultMemory))
	require.Equal(t, room, s.Machines)
	require.Equal(t, int64(1_000_000-room), s.Untracked)
	require.Zero(t, s.Evicted)
	require.NotNil(t, e.habits.peek(e.hash("identity", "device/0")), "the first are learned, and stay")
	require.LessOrEqual(t, s.Open, maxOpen+1)

	e.Tick(begin.Add(residence)) // those who were silent for a day make room
	for i := range 1000 {
		e.Observe(Fact{Kind: Issued, Seq: int64(4_000_000 + i), At: begin.Add(residence), Identity: fmt.Sprintf("device/new-%d", i), Renewal: true})
	}
	require.Equal(t, int64(1000), e.Stats().Evicted)
}

// Whatever a fact says, an engine keeps its bounds, and its alerts are printable.
func TestHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	e := New(Config{Memory: minMemory})
	e.Tick(begin)
	words := []string{"", strings.Repeat("\u202e\n", 1<<16), "a/b", "\xff\xfe", strings.Repeat("device/", 100)}
	word := func() string { return words[r.IntN(len(words))] }
	times := []time.Time{{}, begin, begin.Add(-1000 * day), begin.Add(1000 * day), time.Unix(math.MaxInt32*9, 0), time.Unix(math.MinInt64/4, 0)}
	moment := func() time.Time { return times[r.IntN(len(times))] }
	number := func() int64 { return []int64{0, -1, 1, math.MaxInt64, math.MinInt64, r.Int64()}[r.IntN(6)] }
	for range 20_000 {
		f := Fact{
			Kind: Kind(r.IntN(int(kinds) + 3)), Origin: word(), Seq: number(), At: moment(), Identity: word(), Site: word(), Other: word(),
			Serial: word(), Since: moment(), Ends: moment(), Renewal: r.IntN(2) == 0, Serials: []string{word(), serial(begin, 1)}, Code: word(),
			Why: word(), Route: word(), Resource: word(), Bytes: number(), Count: number(), Of: number(), Age: time.Duration(number()),
		}
		if r.IntN(2) == 0 {
			f.Address = netip.AddrFrom4([4]byte{byte(r.IntN(3)), 1, 1, 1})
		}
		for _, c := range e.Observe(f) {
			text := fmt.Sprint(c)
			require.NotContains(t, text, "\n")
			require.NotContains(t, text, "\u202e")
			require.LessOrEqual(t, len(text), 1<<14)
		}
		if r.IntN(100) == 0 {
			e.Tick(moment())
		}
	}
	b := e.Snapshot()
	_, err := Restore(Config{}, b)
	require.NoError(t, err)
}

// A CA whose clock was wrong for a while goes on.
func TestClockBack(t *testing.T) {
	w := newWorld(t)
	w.now = begin.Add(1000 * day)
	w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/b"})
	w.now = begin
	w.sleep(7*day + 2*time.Hour)
	w.none()
	for i := range 21 {
		w.issue(fmt.Sprintf("device/%d", i), home, false)
	}
	require.Len(t, w.opened("F01"), 1, "series begin anew")
}

// Each rule has an ID in order, a title and something to do.
func TestRules(t *testing.T) {
	last := ""
	for _, r := range Rules() {
		require.Greater(t, r.ID, last)
		require.NotEmpty(t, r.Title)
		require.NotEmpty(t, r.Do)
		require.NotZero(t, r.Severity)
		require.Positive(t, r.Quiet, "%s resolves by itself", r.ID)
		last = r.ID
	}
}

// FuzzRestore: bytes from a database never panic and never give an engine that does; what can
// be read is written the same.
func FuzzRestore(f *testing.F) {
	w := newWorld(f)
	w.issue(pump, home, false)
	w.tell(Fact{Kind: KeyTaken, Identity: pump, Other: "device/b"})
	good := w.e.Snapshot()
	f.Add(good[:len(good)-sha256.Size])
	f.Add([]byte(magic + "\x02\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		e, err := Restore(Config{Memory: minMemory}, append(bytes.Clone(b), sum[:]...))
		if err == nil {
			again, err := Restore(Config{Memory: minMemory}, e.Snapshot())
			require.NoError(t, err)
			require.True(t, bytes.Equal(e.Snapshot(), again.Snapshot()))
		}
		e.Tick(begin.Add(day))
		e.Observe(used(pump, serial(begin, 1), home, begin))
		e.Observe(Fact{Kind: Issued, Seq: 99, At: begin.Add(day), Identity: pump, Address: addr(far), Serial: serial(begin, 3), Renewal: true})
		e.Tick(begin.Add(30 * day))
	})
}
