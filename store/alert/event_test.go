package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
)

// What the log keeps of an alert is the alert, whatever texts are in it, and says to
// somebody who has no list of rules what it is and what to do.
func TestEvent(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 123e6, time.UTC)
	a := alert.Alert{
		ID: 12, Rule: "A02", Key: "device/a", Severity: alert.Critical, Site: "Ward <3> \u202e", Subject: "device/a",
		Opened: at, Last: at.Add(time.Minute), Count: 1 << 53, Facts: [2]string{`one "fact"`, "and\nanother"},
		Entries: []alert.Ref{{Seq: 1<<53 + 1}, {Origin: "hospital.example/service/gate-1/journal/0a", Seq: 9}}, State: alert.Open,
	}
	gathered := a
	gathered.Subject, gathered.Subjects, gathered.Rule = "", []string{"device/a", "device/b"}, "B01"
	seen, over := a, gathered
	seen.State, seen.By, seen.Word = alert.Acknowledged, "person/ada", "the spare pump"
	over.State, over.Why = alert.Resolved, "it has a new certificate"
	for _, tt := range []struct {
		change                 alert.Change
		action, actor, subject string
	}{
		{alert.Change{What: alert.Opening, Alert: a, Propose: alert.Suspend, Subject: "device/a"}, "alert.open", "self", "device/a"},
		{alert.Change{What: alert.Counting, Alert: gathered, Subject: "device/a"}, "alert.count", "self", "alert/12"},
		{alert.Change{What: alert.Acknowledging, Alert: seen}, "alert.acknowledge", "person/ada", "device/a"},
		{alert.Change{What: alert.Resolving, Alert: over}, "alert.resolve", "self", "alert/12"},
	} {
		e := opened(t, tt.change.Event())
		require.Equal(t, []string{tt.action, tt.actor, tt.subject, "ok"}, []string{e.Action, e.Actor, e.Subject, e.Outcome})
		got, what, ok := alert.FromEntry(e)
		require.True(t, ok)
		require.Equal(t, tt.change.What, what)
		require.Equal(t, tt.change.Alert, got)
		require.NotEmpty(t, e.Detail["title"])
		require.NotEmpty(t, e.Detail["do"])
		require.NotContains(t, e.Detail, "touched", "the engine's own")
		require.Zero(t, alert.Of("", e).Kind, "an alert is no fact")
	}
	e := opened(t, alert.Change{What: alert.Opening, Alert: a, Propose: alert.Suspend, Subject: "device/a"}.Event())
	require.Equal(t, []any{"suspend", "device/a"}, []any{e.Detail["propose"], e.Detail["about"]})
}

// An alert that the engine made fits into an entry, at the bounds of all its texts.
func TestEventFits(t *testing.T) {
	e := alert.New(alert.Config{})
	long := strings.Repeat("\u0085", 4096) // six times as long once it is clean
	changes := e.Observe(alert.Fact{
		Kind: alert.KeyTaken, Seq: 1, At: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), Identity: "device/" + long, Other: long, Site: long, Why: long,
	})
	require.Len(t, changes, 1)
	got, _, ok := alert.FromEntry(opened(t, changes[0].Event()))
	require.True(t, ok)
	require.Equal(t, changes[0].Alert.Facts, got.Facts)
}

// What only looks like an alert is none.
func TestFromEntry(t *testing.T) {
	for _, e := range []audit.Event{
		{Action: "certificate.issue", Detail: map[string]any{"id": 1}},
		{Action: "alert.quiet", Detail: map[string]any{"id": 1}},
		{Action: "alert.open"},
		{Action: "alert.open", Detail: map[string]any{"id": 0}},
		{Action: "alert.open", Detail: map[string]any{"id": "1"}},
		{Action: "alert.open", Detail: map[string]any{"id": 1, "severity": "loud"}},
		{Action: "alert.open", Detail: map[string]any{"id": 1, "entries": "none"}},
	} {
		_, _, ok := alert.FromEntry(opened(t, e))
		require.False(t, ok, e)
	}
}
