package review_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
	"github.com/betonica/betonica/store/review"
	"github.com/betonica/betonica/store/storetest"
)

// A log is one whose entries are dated as a test likes.
type log struct {
	*store.DB
	t   testing.TB
	now atomic.Int64
}

const day = 24 * time.Hour

var monday = time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)

func newLog(t testing.TB, dsn string) *log {
	t.Helper()
	l := &log{t: t}
	l.now.Store(monday.Add(-60 * day).UnixMilli())
	db, err := store.Open(t.Context(), store.Config{
		DSN: dsn, Keys: audit.NewKeys([32]byte{1}), Origin: "example.test/log", Evidence: filepath.Join(t.TempDir(), "evidence"), BackupDir: t.TempDir(),
		Now: func() time.Time { return time.UnixMilli(l.now.Load()) },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	l.DB = db
	return l
}

func sqlite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "a.db") }

// add puts entries on record, all of one time, and returns the number of the last.
func (l *log) add(at time.Time, all ...audit.Event) int64 {
	l.t.Helper()
	l.now.Store(at.UnixMilli())
	for some := range slices.Chunk(all, 500) {
		require.NoError(l.t, l.UpdateMany(context.Background(), func(context.Context, *store.AloneTx) ([]audit.Event, error) { return some, nil }))
	}
	return l.LogSize()
}

func (l *log) config(now time.Time) review.Config {
	return review.Config{Store: l.DB, Now: now, Privileged: func(role string) bool {
		return slices.Contains([]string{"admin", "auditor", "officer", "operator"}, role)
	}}
}

func (l *log) read(c review.Config) *review.Summary {
	l.t.Helper()
	s, err := review.Read(l.t.Context(), c)
	require.NoError(l.t, err)
	return s
}

func event(action, actor, subject string, detail ...any) audit.Event {
	e := audit.Event{Action: action, Actor: actor, Subject: subject, Outcome: "ok"}
	for i := 0; i < len(detail); i += 2 {
		if e.Detail == nil {
			e.Detail = map[string]any{}
		}
		e.Detail[detail[i].(string)] = detail[i+1]
	}
	return e
}

func renewal(i int) audit.Event {
	path := fmt.Sprint("device/pump-", i)
	return event("certificate.issue", path, path, "method", "renewal", "proof", "certificate:00ff", "serial", "01")
}

func repeat(n int, e audit.Event) []audit.Event {
	return slices.Repeat([]audit.Event{e}, n)
}

// lines are those of a group, each with its count.
func lines(t testing.TB, s *review.Summary, name string) (all []string) {
	t.Helper()
	for _, g := range s.Groups {
		if g.Name != name {
			continue
		}
		for _, l := range g.Lines {
			require.True(t, len(l.Entries) > 0 || l.Count == 0, "%s names no entry", l.What)
			all = append(all, fmt.Sprintf("%d %s", l.Count, l.What))
		}
	}
	return all
}

// What is unusual in a week stands in groups, the most unusual first, each line with the
// entries it is made of; what is as ever is a count.
func TestRead(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		l := newLog(t, dsn)
		l.add(monday.Add(-29*day), renewal(0))
		for week := range 4 {
			at := monday.Add(time.Duration(week-4) * 7 * day)
			l.add(at.Add(time.Hour), event("token.create", "operator/otto", "device/x"))
			l.add(at.Add(day), repeat(3, event("daemon.start", "self", "self"))...)
			l.add(at.Add(2*day), repeat(2, audit.Event{Action: "token.refuse", Actor: "stranger", Address: "10.0.0.9", Outcome: "unknown token"})...)
		}
		for i := range 200 {
			l.add(monday.Add(-7*day), renewal(i))
		}
		all := []audit.Event{
			event("alert.open", "self", "device/pump-1", "id", 7, "rule", "A02", "severity", "critical", "state", "open", "title", "A certificate has two holders"),
			event("alert.open", "self", "device/pump-2", "id", 8, "rule", "B03", "severity", "low", "state", "open"),
			event("alert.resolve", "self", "device/pump-2", "id", 8, "rule", "B03", "severity", "low", "state", "resolved"),
			event("refusals.dropped", "self", "", "count", 4711),
			{Action: "certificate.fork", Actor: "device/pump-1", Subject: "device/pump-1", Address: "10.0.0.7", Outcome: "renewed with another key"},
			event("power.begin", "officer/anna", "officer/anna", "right", "emergency", "break_glass", true, "reason", "ward 3 is dark"),
			event("token.create", "officer/anna", "admin/dora"),
			event("token.create", "operator/otto", "device/pump-9"),
			event("policy.change", "admin/ada", "policy/5", "widens", []string{"role device: lifetime 24h, was 12h"}, "widenings", 1),
			event("identity.revoke", "uid:0", "device/pump-3"),
			event("certificate.issue", "device/pump-9", "device/pump-9", "proof", "token:0011", "method", "token"),
			event("certificate.issue", "admin/dora", "admin/dora", "proof", "token:0012", "method", "token"),
			event("identity.create", "operator/otto", "device/pump-10"),
			event("audit.read", "auditor/cleo", "auditor/cleo"),
			event("ca.odd", "self", "x"),
		}
		for i := range 1000 {
			all = append(all, renewal(i))
		}
		all = append(all, repeat(40, audit.Event{Action: "token.refuse", Actor: "stranger", Address: "10.0.0.9", Outcome: "unknown token"})...)
		first := l.LogSize() + 1
		last := l.add(monday.Add(day), all...)
		_, err := l.SignCheckpoint(t.Context())
		require.NoError(t, err)

		c := l.config(monday.Add(7 * day))
		c.First, c.Last, c.Since, c.Until = first, last, monday, monday.Add(7*day)
		s := l.read(c)
		require.EqualValues(t, len(all), s.Entries())
		require.Equal(t, 4, s.Compared)
		var order []string
		for _, g := range s.Groups {
			order = append(order, g.Name)
		}
		require.Equal(t, []string{"alerts", "log", "copies", "powers", "privileges", "policy", "newcomers", "refusals", "refused", "ended", "frequency", "joined", "looked"}, order)
		require.Equal(t, []string{"1 open, critical: A02 device/pump-1, A certificate has two holders", "2 resolved, low: B03 device/pump-2"}, lines(t, s, "alerts"))
		require.Equal(t, []string{"1 4711 refusals have no entry: there were too many at once", "1 refusals.dropped"}, lines(t, s, "log"))
		require.Equal(t, []string{"1 certificate.fork device/pump-1 from 10.0.0.7: renewed with another key"}, lines(t, s, "copies"))
		require.Equal(t, []string{"1 power.begin officer/anna: emergency, emergency: ward 3 is dark"}, lines(t, s, "powers"))
		require.Equal(t, []string{"1 certificate.issue admin/dora by token", "1 token.create admin/dora by officer/anna"}, lines(t, s, "privileges"))
		require.Equal(t, []string{"1 policy.change policy/5 by admin/ada, widens in 1: role device: lifetime 24h, was 12h"}, lines(t, s, "policy"))
		require.Equal(t, []string{"1 admin/ada", "2 officer/anna", "1 uid:0"}, lines(t, s, "newcomers"), "otto acted before")
		require.Equal(t, []string{"40 token.refuse: unknown token"}, lines(t, s, "refusals"))
		require.Equal(t, []string{"40 stranger from 10.0.0.9"}, lines(t, s, "refused"))
		require.Equal(t, []string{"1 identity.revoke by uid:0"}, lines(t, s, "ended"))
		require.Equal(t, []string{"1 device, certificate.issue", "1 device, identity.create"}, lines(t, s, "joined"))
		unusual := lines(t, s, "frequency")
		require.Contains(t, unusual, "40 token.refuse: 2.0 before")
		require.Contains(t, unusual, "1 ca.odd: never before")
		require.Contains(t, unusual, "0 daemon.start: 3.0 before")
		require.NotContains(t, strings.Join(unusual, " "), "token.create")
		require.Equal(t, []review.Line{{What: "certificate.issue", Count: 1000}, {What: "ca.odd", Count: 1}, {What: "token.create", Count: 1}}, s.Ordinary)
		require.Equal(t, []review.Act{{"officer/anna", 2, true}, {"operator/otto", 2, false}, {"admin/ada", 1, true}, {"uid:0", 1, true}}, s.Acts)

		signed, err := l.LatestCheckpoint(t.Context())
		require.NoError(t, err)
		require.Equal(t, last, signed.Size)
		head, _, _ := strings.Cut(signed.Note, "\n\n")
		require.Equal(t, s.Root, strings.Split(head, "\n")[2], "what a checkpoint of that size says")
	})
}

// The part that is read is what it is said to be: from the end of the review before, or a
// week, or the times and entries that were asked for; and nothing is nothing.
func TestPart(t *testing.T) {
	l := newLog(t, sqlite(t))
	for i := range 300 {
		l.add(monday.Add(-30*day+time.Duration(i)*time.Hour), renewal(i))
	}
	for i := range 300 {
		l.add(monday.Add(time.Duration(i)*time.Minute), renewal(i))
	}
	now := monday.Add(6 * day)
	s := l.read(l.config(now))
	require.EqualValues(t, 600, s.Last)
	require.LessOrEqual(t, s.First, int64(301))
	require.Greater(t, s.First, int64(200))
	require.Equal(t, [2]time.Time{now.Add(-review.Week), now}, [2]time.Time{s.Since, s.Until})

	l.reviewed(now, "auditor/cleo", s)
	require.False(t, s.Again)
	s = l.read(l.config(now.Add(day)))
	require.EqualValues(t, []int64{601, 601}, []int64{s.First, s.Last}, "from where the last one ended")
	require.True(t, s.Since.Equal(now))

	c := l.config(now)
	c.First, c.Last = 300, 310
	s = l.read(c)
	require.EqualValues(t, []int64{300, 310}, []int64{s.First, s.Last})
	require.True(t, s.Again)
	require.True(t, s.Since.Equal(monday.Add(-30*day+299*time.Hour)))
	require.True(t, s.Until.Equal(monday.Add(9*time.Minute)))
	for _, part := range [][2]int64{{300, 100_000}, {0, 100_000}, {20, 10}} {
		c.First, c.Last = part[0], part[1]
		_, err := review.Read(t.Context(), c)
		var missing *review.MissingError
		require.ErrorAs(t, err, &missing)
	}
	c = l.config(now)
	c.Since, c.Until = now.Add(10*day), now.Add(20*day)
	_, err := review.Read(t.Context(), c)
	require.ErrorIs(t, err, review.ErrNone)
}

// reviewed puts a review on record, as the daemon does.
func (l *log) reviewed(at time.Time, by string, s *review.Summary) {
	l.t.Helper()
	r := review.Record{Since: s.Since, Until: s.Until, First: s.First, Last: s.Last, Root: s.Root, Groups: s.Counts(), Word: "looked"}
	l.add(at, audit.Event{Action: review.Action, Actor: by, Outcome: "ok", Detail: r.Detail()})
}

// Who reviewed what when is on record, and so is what nobody reviewed: between two reviews,
// and since the last one. What claims more than there was then is no review.
func TestPast(t *testing.T) {
	l := newLog(t, sqlite(t))
	h, err := review.Past(t.Context(), l.DB, monday)
	require.NoError(t, err)
	require.Empty(t, h.Done)
	require.True(t, h.Waits().IsZero(), "there is no log")
	for i := range 100 {
		l.add(monday.Add(time.Duration(i)*time.Hour), renewal(i))
	}
	h, err = review.Past(t.Context(), l.DB, monday.Add(5*day))
	require.NoError(t, err)
	require.True(t, h.Waits().Equal(monday))

	part := func(first, last int64) *review.Summary { return &review.Summary{First: first, Last: last} }
	l.reviewed(monday.Add(5*day), "auditor/cleo", part(11, 20))
	l.reviewed(monday.Add(5*day), "auditor/ines", part(15, 40))
	l.reviewed(monday.Add(5*day), "auditor/ines", part(12, 13))
	l.reviewed(monday.Add(5*day), "auditor/cleo", part(51, 60))
	l.reviewed(monday.Add(5*day), "auditor/mal", part(61, 5000))
	h, err = review.Past(t.Context(), l.DB, monday.Add(6*day))
	require.NoError(t, err)
	require.Len(t, h.Done, 4)
	require.Equal(t, []string{"auditor/cleo", "auditor/ines", "auditor/ines", "auditor/cleo"}, []string{h.Done[0].By, h.Done[1].By, h.Done[2].By, h.Done[3].By})
	require.Len(t, h.Gaps, 2)
	require.Equal(t, [4]int64{41, 50, 61, 105}, [4]int64{h.Gaps[0].First, h.Gaps[0].Last, h.Gaps[1].First, h.Gaps[1].Last})
	require.True(t, h.Waits().Equal(monday.Add(40*time.Hour)))
}

// Whatever strangers have put on record, a summary is printable and of a bounded size, and
// what there is most of is not washed out by what there is much of.
func TestHostile(t *testing.T) {
	l := newLog(t, sqlite(t))
	var all []audit.Event
	for i := range 3000 { // more than are counted one by one
		all = append(all, audit.Event{Action: "token.refuse", Actor: "stranger", Address: fmt.Sprint("2001:db8::", i), Outcome: fmt.Sprint("unknown token ", i)})
		if i >= 1500 { // not before there is no room
			all = append(all, audit.Event{Action: "token.refuse", Actor: "stranger", Address: "10.0.0.9", Outcome: "unknown token"})
		}
	}
	for _, s := range plaintest.Hostile() {
		s = s[:min(len(s), 1000)]
		for _, action := range []string{"token.refuse", "certificate.fork", "power.begin", "policy.change", "alert.open", "certificate.issue", "token.create", "issuer.stop", "identity.revoke"} {
			all = append(all, audit.Event{Action: action, Actor: "admin/" + s, Subject: "admin/" + s, Address: s, Outcome: s, Detail: map[string]any{
				"proof": s, "reason": s, "right": s, "word": s, "id": len(all), "rule": s, "title": s, "state": s, "severity": s, "widens": []string{s},
			}})
		}
	}
	all = append(all, audit.Event{Action: "power.begin", Actor: "self", Detail: map[string]any{"reason": 7, "right": []int{1}, "word": map[string]any{"a": 1}, "id": "x"}})
	l.add(monday, all...)
	s := l.read(l.config(monday.Add(day)))
	require.Contains(t, lines(t, s, "refused")[0], "stranger from 10.0.0.9")
	size := 0
	for _, g := range s.Groups {
		counted := g.Rest
		for _, line := range g.Lines {
			counted += line.Count
			size += len(line.What)
			require.LessOrEqual(t, len(line.What), 160)
			require.True(t, utf8.ValidString(line.What))
			require.Negative(t, strings.IndexFunc(line.What, func(r rune) bool { return r < ' ' || r == '\u202e' || r == '\u2028' || r == 0x85 }), "%q", line.What)
		}
		require.Equal(t, g.Count, counted, "%s: every entry is in a line, or in the rest", g.Name)
		require.LessOrEqual(t, len(g.Lines), 64)
	}
	require.Less(t, size, 64<<10)
	require.True(t, s.Groups[slices.IndexFunc(s.Groups, func(g review.Group) bool { return g.Name == "refused" })].Lines[0].AtLeast)
}

// Who changes a row, or takes it away, is what the review tells first of the log.
func TestTampered(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	l := newLog(t, "sqlite:"+file)
	for i := range 100 {
		l.add(monday, renewal(i))
	}
	db, err := sql.Open("sqlite3", file)
	require.NoError(t, err)
	defer db.Close()
	for _, change := range []string{
		`DROP TRIGGER IF EXISTS audit_no_update`, `DROP TRIGGER IF EXISTS audit_no_delete`,
		`UPDATE audit SET action = 'identity.create' WHERE seq = 10`, `UPDATE audit SET leaf = x'00' WHERE seq = 20`, `DELETE FROM audit WHERE seq IN (30, 31)`,
	} {
		_, err := db.Exec(change)
		require.NoError(t, err, change)
	}
	c := l.config(monday.Add(day))
	c.First, c.Last = 1, 90
	s := l.read(c)
	told := lines(t, s, "log")
	require.Equal(t, []string{"1 an entry that cannot be opened", "1 an entry whose row says something else of it", "1 entries 30 to 31 are not there"}, told[:3])
	require.Contains(t, told[3], "the tree cannot be computed")
	require.Empty(t, s.Root)
}

// A time without a signed checkpoint is told: the CA was down, or did not sign.
func TestSilence(t *testing.T) {
	l := newLog(t, sqlite(t))
	for _, hour := range []int{0, 1, 2, 7, 8} {
		l.add(monday.Add(time.Duration(hour)*time.Hour), renewal(hour))
		_, err := l.SignCheckpoint(t.Context())
		require.NoError(t, err)
	}
	s := l.read(l.config(monday.Add(day)))
	require.Equal(t, []string{"1 no checkpoint was signed from 2026-11-16T02:00:00Z to 2026-11-16T07:00:00Z"}, lines(t, s, "log"))
}
