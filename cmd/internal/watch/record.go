package watch

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// enough are the changes that are recorded at once: others who write wait for them.
const enough = 64

// record puts the changes on record, with how far the logs were read for them: behind the
// last of them, since a crash in between has the rest made again.
func (s *session) record(ctx context.Context) error {
	for len(s.changes) > 0 {
		some := s.changes[:min(enough, len(s.changes))]
		step := store.AlertStep{Epoch: s.epoch, At: s.clock}
		for _, c := range some {
			change, err := changeOf(c)
			if err != nil {
				return err
			}
			step.Changes, step.Events = append(step.Changes, change), append(step.Events, c.Event())
			if s.acts(c) {
				step.Actions = append(step.Actions, store.AlertAction{Alert: c.Alert.ID, Action: string(c.Propose), Subject: c.Subject})
			}
		}
		if len(some) == len(s.changes) {
			step.Positions = s.reached()
		}
		if err := s.Store.RecordAlerts(ctx, step); err != nil {
			return err
		}
		for _, c := range some {
			s.tell(ctx, c)
		}
		if s.changes = s.changes[len(some):]; len(s.changes) == 0 {
			s.changes = nil
			clear(s.moved)
		}
	}
	return nil
}

// note puts on record how far the watch is, though nothing changed: whoever asks whether
// alerts are evaluated asks the database.
func (s *session) note(ctx context.Context) error {
	if err := s.Store.NoteWatch(ctx, s.epoch, s.clock, s.reached()); err != nil {
		return err
	}
	clear(s.moved)
	return nil
}

// reached returns the places in the logs that moved since the last step on record.
func (s *session) reached() map[string]int64 {
	at := make(map[string]int64, len(s.moved))
	for origin := range s.moved {
		at[origin] = s.at[origin]
	}
	return at
}

// tell says in the daemon's own log what opened.
func (s *session) tell(ctx context.Context, c alert.Change) {
	if c.What == alert.Opening && c.Alert.Severity >= alert.High {
		s.Log.WarnContext(ctx, "alert", "id", c.Alert.ID, "rule", c.Alert.Rule, "severity", c.Alert.Severity.String(), "identity", c.Alert.Subject, "site", c.Alert.Site)
	}
}

// changeOf returns what the store is told of a change.
func changeOf(c alert.Change) (store.AlertChange, error) {
	body, err := json.Marshal(c.Alert)
	return store.AlertChange{
		Alert: store.Alert{
			ID: c.Alert.ID, Rule: c.Alert.Rule, Key: c.Alert.Key, Severity: int(c.Alert.Severity), Opened: c.Alert.Opened, Body: body,
		},
		Opens: c.What == alert.Opening, Resolves: c.What == alert.Resolving,
	}, err
}

// Of returns an alert that the store has.
func Of(row store.Alert) (alert.Alert, error) {
	var a alert.Alert
	if err := json.Unmarshal(row.Body, &a); err != nil {
		return a, err
	}
	a.State, a.By, a.Word = alert.State(row.State), row.By, row.Word
	return a, nil
}

// OpenAlerts returns the alerts that are not resolved, as they are on record, the oldest
// first. Any daemon on the store may ask.
func (w *Watch) OpenAlerts(ctx context.Context) ([]alert.Alert, error) {
	var all []alert.Alert
	for page := (store.Page{Limit: 1000}); ; {
		rows, next, err := w.Store.Alerts(ctx, true, page)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			a, err := Of(row)
			if err != nil {
				return nil, err
			}
			all = append(all, a)
		}
		if next == "" {
			break
		}
		page.After = next
	}
	slices.Reverse(all)
	return all, nil
}

// kept is how long an alert that is resolved can be listed. Its entries stay in the log.
const kept = 400 * 24 * time.Hour
