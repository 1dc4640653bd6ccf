package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
)

// A report stands as its worst check does, and a check as its worst finding; what was
// not looked at is worse than what is well, and hides no warning.
func TestExamine(t *testing.T) {
	says := func(all ...Finding) func(context.Context, *Case) []Finding {
		return func(context.Context, *Case) []Finding { return all }
	}
	c := &Case{Dir: "/ca", Version: "v1", Now: func() time.Time { return time.Unix(1, 5) }}
	r := Examine(t.Context(), c, []Check{
		{"one", says(ok("well"), skip("why"))},
		{"two", says(warn("do", "odd"), ok("well"))},
		{"three", says()},
	})
	require.Equal(t, Warning, r.State)
	require.Equal(t, []Verdict{Skipped, Warning, OK}, []Verdict{r.Checks[0].State, r.Checks[1].State, r.Checks[2].State})
	require.Equal(t, 1, r.Count(Warning))
	require.Equal(t, time.Unix(1, 0).UTC(), r.At)
	r = Examine(t.Context(), c, []Check{{"one", says(fail("do", "bad"), warn("do", "odd"))}})
	require.Equal(t, Failed, r.State)
}

// What rests on the configuration is not checked without one, and nothing panics for
// want of it.
func TestExamineNothing(t *testing.T) {
	c := &Case{Dir: t.TempDir(), Now: time.Now, ConfigErr: os.ErrNotExist}
	for _, check := range Examine(t.Context(), c, Checks()).Checks {
		require.NotEmpty(t, check.Findings, check.Name)
		switch check.Name {
		case "configuration", "folder", "clock", "limits": // they need none
		default:
			require.Equal(t, Skipped, check.State, check.Name)
		}
	}
}

// Under each trouble that a daemon can name stands its way out.
func TestTroubles(t *testing.T) {
	for _, trouble := range store.AllTroubles() {
		c := &Case{Daemon: &Daemon{Troubles: []string{trouble.String()}}}
		found := daemon(t.Context(), c)
		require.Equal(t, []Finding{{Failed, string(trouble) + ": " + trouble.What(), trouble.Remedy()}}, found)
		require.NotEmpty(t, found[0].Do)
	}
}

// Who is gone, who lags and who is of another version is told by name.
func TestReplicas(t *testing.T) {
	of := func(name, version string, live bool, seen int64) store.ReplicaStatus {
		return store.ReplicaStatus{Replica: store.Replica{Name: name, Version: version}, Live: live, Seen: seen, Newest: 6}
	}
	all := []store.ReplicaStatus{of("a", "v1", true, 7), of("b", "v2", true, 5), of("c", "v1", false, 1), of("", "", true, 7)}
	found, live := judgeReplicas("v1", all)
	require.Equal(t, 2, live)
	require.Len(t, found, 2)
	require.Contains(t, found[0].What, "replica b is of version v2")
	require.Contains(t, found[1].What, "replica c")
	newest, behind := newestRevoked(all)
	require.EqualValues(t, 6, newest, "what the others have seen beyond it are numbers of lists that revoke nothing more")
	require.True(t, behind)
	found = lagging(all, newest)
	require.Len(t, found, 1)
	require.Contains(t, found[0].What, "replica b has applied revocations up to 5")
	_, behind = newestRevoked(all[:1])
	require.False(t, behind)
}

// A receiver that took something this week, and that a replica does not know of, gets nothing
// once that replica is the eldest. Where it was taken out, or nobody shares the store, that is
// as somebody meant it.
func TestUnnamedReceiver(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		told   time.Time
		shared bool
		want   Verdict
	}{{now.Add(-time.Hour), true, Warning}, {now.Add(-time.Hour), false, OK}, {now.Add(-8 * 24 * time.Hour), true, OK}, {time.Time{}, true, OK}} {
		require.Equal(t, tt.want, unnamed(store.Delivery{Sink: "syslog", Begun: now, Told: tt.told}, tt.shared, now).State, tt)
	}
}

// An archive of journals that is nearly full is told of, and one that takes nothing more
// is a failure; one without a bound is neither.
func TestArchiveRoom(t *testing.T) {
	const most = 1000 << 20
	for taken, want := range map[float64]Verdict{0: OK, most * 0.79: OK, most * 0.8: Warning, most - 1: Warning, most: Failed, 2 * most: Failed} {
		require.Equal(t, want, orOK(archiveRoom(taken, most), "well")[0].State, taken)
		require.Empty(t, archiveRoom(taken, 0))
	}
	require.Contains(t, archiveRoom(most*0.9, most)[0].What, "has 900 MiB of 1000")
	require.Contains(t, archiveRoom(most, most)[0].Do, "archive.max_bytes")
}

// Records that should have left are told of once they are two months late.
func TestOverdue(t *testing.T) {
	now := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	came := func(before time.Duration) float64 { return float64(now.Add(-before).Unix()) }
	require.Empty(t, overdue(0, store.SixYears, now))
	require.Empty(t, overdue(came(store.SixYears+late-time.Hour), store.SixYears, now))
	require.Contains(t, overdue(came(store.SixYears+late+time.Hour), store.SixYears, now)[0].What, "should have left")
}

// What the kernel says of swap and of core files is read as it is written; memory that
// is compressed in place is no disk.
func TestKernelFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write := func(text string) string {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	head := "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	require.Empty(t, swaps(write(head)))
	require.Equal(t, []string{"/dev/sda2"}, swaps(write(head+"/dev/sda2  partition\t999\t0\t-2\n/dev/zram0 partition 9 0 1\n")))
	require.Empty(t, swaps(file+"-none"))
	limit := func(soft string) string {
		return write("Limit  Soft Limit  Hard Limit  Units\nMax core file size        " + soft + "   unlimited   bytes\nMax open files 1 1 files\n")
	}
	require.False(t, dumps(limit("0")))
	require.True(t, dumps(limit("unlimited")))
	require.True(t, dumps(limit("4096")))
	require.False(t, dumps(file+"-none"))
}

// An address of all interfaces is asked on the loopback.
func TestLocal(t *testing.T) {
	for address, want := range map[string]string{
		":8443": "127.0.0.1:8443", "0.0.0.0:8443": "127.0.0.1:8443", "[::]:8443": "[::1]:8443", "10.0.0.1:8443": "10.0.0.1:8443", "ca.example:1": "ca.example:1",
	} {
		require.Equal(t, want, local(address), address)
	}
}

// Whatever answers in a daemon's place is read without a panic, and taken for one only
// if it says that it is ready or not.
func FuzzMetrics(f *testing.F) {
	f.Add("betonica_ready 1\nbetonica_build_info{version=\"v1\"} 1\n")
	f.Add("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum NaN\na_count 1\n")
	f.Add("betonica_ready 1e308\nbetonica_clock_drift_seconds -1e300\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseMetrics(strings.NewReader(text))
		if err != nil {
			return
		}
		require.NotNil(t, all["betonica_ready"])
		d := &Daemon{metrics: all}
		d.version()
		for name := range all {
			d.samples(name)
			d.seconds(name)
		}
	})
}
