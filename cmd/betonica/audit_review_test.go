package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// aWeek is a week of a log.
var aWeek = adminapi.Review{
	Since: noon.AddDate(0, 0, -7), Until: noon, First: 1001, Last: 205_400, Root: "3yQ=", Compared: 4,
	Groups: []adminapi.ReviewGroup{
		{Name: "alerts", Title: "Alerts, and what became of them", Count: 1, Lines: []adminapi.ReviewLine{{What: "open, critical: A02 device/pump-1", Count: 1, Entries: []int64{1200}}}},
		{Name: "refused", Title: "Refusals, by who it was and from where", Count: 20_010, Rest: 10, Lines: []adminapi.ReviewLine{{What: "stranger from 10.0.0.9", Count: 20_000, AtLeast: true, Entries: []int64{1300, 1301, 1302}}}},
		{Name: "frequency", Title: "Never before, far more often, or not any more", Count: 1, Lines: []adminapi.ReviewLine{{What: "daemon.start: 3.0 before"}}},
	},
	Ordinary: []adminapi.ReviewLine{{What: "certificate.issue", Count: 184_201}, {What: "daemon.start", Count: 2}},
	Acts:     []adminapi.ReviewAct{{Person: "officer/anna", Count: 2, New: true}},
}

func gathered(t *testing.T, r adminapi.Review) adminapi.ReviewEvent {
	t.Helper()
	text, err := json.Marshal(r)
	require.NoError(t, err)
	return adminapi.ReviewEvent{Review: text}
}

// A week is shown, and a word is about exactly what was shown.
func TestAuditReview(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.says(http.StatusOK, gathered(t, aWeek))
	require.Equal(t, `2026-11-15 12:00:00Z to 2026-11-22 12:00:00Z, entries 1001 to 205400
compared with the 4 times as long before

Alerts, and what became of them: 1
         1  open, critical: A02 device/pump-1 (entry 1200)

Refusals, by who it was and from where: 20,010
   20,000+  stranger from 10.0.0.9 (entry 1300, 1301, 1302)
        10  others

Never before, far more often, or not any more: 1
         0  daemon.start: 3.0 before

What people did by their rights:
         2  officer/anna

and else: 184,201 certificate.issue, 2 daemon.start

to put your word on record: betonica audit review --entries 1001-205400 --word TEXT
`, x.ok("audit", "review"))
	for args, query := range map[string]string{
		"--week 2026-W47":                          "since=2026-11-16T00%3A00%3A00Z&until=2026-11-23T00%3A00%3A00Z",
		"--week 2027-W01":                          "since=2027-01-04T00%3A00%3A00Z&until=2027-01-11T00%3A00%3A00Z",
		"--since 14d --until 2026-11-20T00:00:00Z": "since=2026-11-08T12%3A00%3A00Z&until=2026-11-20T00%3A00%3A00Z",
		"--entries 1001-205400 -o json":            "first=1001&last=205400",
	} {
		x.ok(append([]string{"audit", "review"}, strings.Fields(args)...)...)
		asked := d.asked()
		require.Equal(t, call{"GET", "audit/review", query, ""}, asked[len(asked)-1])
	}
	var got adminapi.Review
	require.NoError(t, json.Unmarshal([]byte(x.ok("audit", "review", "-o", "json")), &got))
	require.Equal(t, aWeek, got)
	for _, args := range []string{
		"--week 2026-W54", "--week 2026-47", "--week 2026-W47 --since 1d", "--entries 5-4", "--entries 0-4", "--entries 1-2x", "--entries 5", "--until 1d", "--list --since 1d",
		"--list --word x", "--word=", "x",
	} {
		require.Equal(t, exitUsage, x.run(append([]string{"audit", "review"}, strings.Fields(args)...)...).code, args)
	}
}

// The word is sent with the entries that were shown, and the tree that they are of.
func TestAuditReviewWord(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.does(func(w http.ResponseWriter, r *http.Request) {
		var answer any = gathered(t, aWeek)
		if r.Method == http.MethodPost {
			answer = adminapi.Reviewed{By: "auditor/cleo", First: 1001, Last: 205_400}
		}
		json.NewEncoder(w).Encode(answer)
	})
	out := x.ok("audit", "review", "--word", "ticket 4711")
	require.Contains(t, out, "stranger from 10.0.0.9")
	require.True(t, strings.HasSuffix(out, "\non record: auditor/cleo has reviewed entries 1001 to 205400\n"), out)
	require.Equal(t, call{"POST", "audit/review", "", `{"first":1001,"last":205400,"root":"3yQ=","word":"ticket 4711"}`}, d.asked()[1])
}

// The list shows what nobody has reviewed where it belongs, and that it is overdue.
func TestAuditReviewList(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	week := 7 * 24 * time.Hour
	waits := noon.Add(-6 * week)
	d.says(http.StatusOK, adminapi.Reviews{
		Done: []adminapi.Reviewed{
			{Since: noon.Add(-5 * week), Until: noon.Add(-4 * week), First: 301, Last: 400, By: "auditor/cleo", At: noon.Add(-3 * week), Word: "as usual\x1b[2J", Again: true, Own: 2, Acts: 9},
			{Since: noon.Add(-7 * week), Until: noon.Add(-6 * week), First: 101, Last: 200, By: "auditor/ines", At: noon.Add(-6 * week), Word: "ticket 7"},
		},
		Gaps:  []adminapi.Unreviewed{{First: 201, Last: 300, Since: waits, Until: noon.Add(-5 * week)}},
		Waits: &waits, Late: true,
	})
	r := x.run("audit", "review", "--list")
	require.Zero(t, r.code)
	require.Equal(t, `FROM (UTC)        TO (UTC)          ENTRIES  STATE         BY            ON (UTC)          OWN ACTS  WORD
2026-10-18 12:00  2026-10-25 12:00  301-400  again         auditor/cleo  2026-11-01 12:00  2 of 9    as usual\x1b[2J
2026-10-11 12:00  2026-10-18 12:00  201-300  NOT REVIEWED  -             -                 -         -
2026-10-04 12:00  2026-10-11 12:00  101-200  reviewed      auditor/ines  2026-10-11 12:00  -         ticket 7
`, r.stdout)
	require.Contains(t, r.stderr, "overdue: there are entries that nobody has reviewed since 2026-10-11 12:00:00Z (42 d ago)")
}

// reviewText is a review as people see it, in strangers' words.
func reviewText(t *testing.T, s string) string {
	var out bytes.Buffer
	line := []adminapi.ReviewLine{{What: s, Count: 1, Entries: []int64{1}}}
	require.NoError(t, writeReview(&out, adminapi.Review{
		Compared: 1, Groups: []adminapi.ReviewGroup{{Name: s, Title: s, Lines: line}}, Ordinary: line, Acts: []adminapi.ReviewAct{{Person: s}},
	}))
	return out.String()
}
