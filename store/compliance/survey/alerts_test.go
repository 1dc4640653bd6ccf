package survey_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/compliance"
)

// Alerts are those that are open, however old, and those of the period; the watch says how far
// it is.
func TestAlerts(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		on, err := w.Store.TakeWatch(t.Context(), "ca-1")
		require.NoError(t, err)
		step := func(id int64, opened time.Time, severity alert.Severity, opens, resolves bool) {
			body := marshal(t, alert.Alert{ID: id, Rule: "A02", Key: fmt.Sprint(id), Subject: "device/a", Severity: severity, Facts: [2]string{"one", "two"}})
			require.NoError(t, w.Store.RecordAlerts(t.Context(), store.AlertStep{
				Epoch: on.Epoch, At: w.Now(), Events: []audit.Event{{Action: "alert.open", Actor: "self", Outcome: "ok"}},
				Changes: []store.AlertChange{{Alert: store.Alert{ID: id, Rule: "A02", Key: fmt.Sprint(id), Severity: int(severity), Opened: opened, Body: body}, Opens: opens, Resolves: resolves}},
			}))
		}
		old, late := w.Now().Add(-40*24*time.Hour), w.Now().Add(-2*time.Hour)
		step(1, old, alert.Critical, true, false)
		step(2, old, alert.Critical, true, false)
		step(2, old, alert.Critical, false, true)
		for id := int64(3); id < 6; id++ {
			step(id, late, alert.Critical, true, false)
		}
		step(4, late, alert.Critical, false, true)
		step(6, late, alert.Low, true, false)
		require.NoError(t, w.Store.Update(t.Context(), func(tx *store.Tx) audit.Event {
			tx.AcknowledgeAlert(5, "auditor/cleo", "a drill")
			return audit.Event{Action: "alert.acknowledge", Actor: "auditor/cleo", Outcome: "ok"}
		}))
		f, _ := w.survey()
		a := f.Alerts
		require.WithinDuration(t, w.Now(), a.Evaluated, time.Minute)
		require.Equal(t, []any{int64(4), int64(3), false}, []any{a.Opened, a.Critical, a.Lost})
		ids := func(all []compliance.Alert) (ids []int64) {
			for _, one := range all {
				ids = append(ids, one.ID)
			}
			return ids
		}
		require.ElementsMatch(t, []int64{1, 3, 4}, ids(a.Unseen), "nobody has acknowledged them")
		require.Equal(t, []int64{6, 5, 4, 3, 1}, ids(a.Newest))
		require.False(t, a.Newest[2].Resolved.IsZero())
		require.Equal(t, []string{"auditor/cleo", "a drill", "device/a", "two"}, []string{a.Newest[1].By, a.Newest[1].Word, a.Newest[1].Subject, a.Newest[1].Facts})
	})
}
