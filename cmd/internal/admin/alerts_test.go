package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
)

// found puts alerts on record, as the watch does.
func (f *fixture) found(all ...alert.Alert) {
	f.t.Helper()
	w, err := f.Store.TakeWatch(f.t.Context(), "test")
	require.NoError(f.t, err)
	for _, a := range all {
		a.State, a.Count, a.Key = alert.Open, 1, a.Subject+a.Site
		body, err := json.Marshal(a)
		require.NoError(f.t, err)
		c := alert.Change{What: alert.Opening, Alert: a}
		require.NoError(f.t, f.Store.RecordAlerts(f.t.Context(), store.AlertStep{
			Epoch: w.Epoch, At: a.Opened, Events: []audit.Event{c.Event()},
			Changes: []store.AlertChange{{Opens: true, Alert: store.Alert{ID: a.ID, Rule: a.Rule, Key: a.Key, Severity: int(a.Severity), Opened: a.Opened, Body: body}}},
		}))
	}
}

// Whoever reads the log finds alerts by what is asked for, each with its entries and what
// became of it; an auditor says that it was seen, and nobody else.
func TestAlerts(t *testing.T) {
	f := serve(t, os.Getuid())
	now := f.Now().UTC().Truncate(time.Millisecond)
	cleo, bob := f.as("auditor"), f.as("officer")
	first := f.Audit("certificate.issue")[0]
	f.found(
		alert.Alert{ID: 1, Rule: "A06", Severity: alert.High, Subject: "device/a", Site: "north", Opened: now.Add(-48 * time.Hour), Facts: [2]string{"x", "y"}, Entries: []alert.Ref{{Seq: first.Seq}, {Origin: "h/device/g/journal/1", Seq: 5}}},
		alert.Alert{ID: 2, Rule: "B02", Severity: alert.Low, Subject: "device/b", Site: "south", Opened: now},
	)
	ids := func(c *adminapi.Client, filter adminapi.AlertFilter) (all []int64) {
		for a, err := range adminapi.All(t.Context(), func(ctx context.Context, p adminapi.PageRequest) (adminapi.Page[adminapi.Alert], error) {
			p.Limit = 1
			return c.Alerts(ctx, filter, p)
		}) {
			require.NoError(t, err)
			all = append(all, a.ID)
		}
		return all
	}
	require.Equal(t, []int64{2, 1}, ids(bob, adminapi.AlertFilter{}))
	require.Equal(t, []int64{1}, ids(bob, adminapi.AlertFilter{Severity: "medium"}))
	require.Equal(t, []int64{2}, ids(bob, adminapi.AlertFilter{Site: "south"}))
	require.Equal(t, []int64{2}, ids(f.root(), adminapi.AlertFilter{All: true, Since: now.Add(-time.Hour)}))
	_, err := bob.Alerts(t.Context(), adminapi.AlertFilter{Severity: "loud"}, adminapi.PageRequest{})
	require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	require.NotEmpty(t, f.Audit("alert.read"), "who read it is on record")

	a, err := bob.Alert(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, []string{"A06", "invariant", "high", "open", "device/a", "north"}, []string{a.Rule, a.Class, a.Severity, a.State, a.Subject, a.Site})
	require.NotEmpty(t, a.Title)
	require.NotEmpty(t, a.Do)
	require.Equal(t, "certificate.issue", a.Entries[0].Action)
	require.True(t, first.At.Equal(*a.Entries[0].At))
	require.Nil(t, a.Entries[1].At)

	_, err = bob.AcknowledgeAlert(t.Context(), 1, adminapi.ReviewRequest{Word: "seen"})
	require.Equal(t, http.StatusForbidden, problem(t, err).Status)
	_, err = f.root().AcknowledgeAlert(t.Context(), 1, adminapi.ReviewRequest{Word: "seen"})
	require.Equal(t, http.StatusForbidden, problem(t, err).Status)
	_, err = cleo.AcknowledgeAlert(t.Context(), 7, adminapi.ReviewRequest{Word: "seen"})
	require.Equal(t, http.StatusNotFound, problem(t, err).Status)
	a, err = cleo.AcknowledgeAlert(t.Context(), 1, adminapi.ReviewRequest{Word: "seen"})
	require.NoError(t, err)
	require.Equal(t, []string{"acknowledged", "auditor/alice", "seen"}, []string{a.State, a.By, a.Word})
	a, err = cleo.Alert(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, a.History, 2)
	require.Equal(t, []string{"open", "self", "y"}, []string{a.History[0].What, a.History[0].Actor, a.History[0].Text})
	require.Equal(t, []string{"acknowledge", "auditor/alice", "seen"}, []string{a.History[1].What, a.History[1].Actor, a.History[1].Text})

	s, err := bob.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"high": 1, "low": 1}, s.Alerts)

	_, err = bob.Quiet(t.Context(), adminapi.QuietRequest{Site: "north", Reason: "move"})
	require.Equal(t, http.StatusBadRequest, problem(t, err).Status)
	_, err = bob.Quiet(t.Context(), adminapi.QuietRequest{Site: "north", Reason: "move", Until: now.Add(time.Hour)})
	require.NoError(t, err)
	require.Equal(t, "north", f.Audit("alert.quiet")[0].Detail["site"])
}
