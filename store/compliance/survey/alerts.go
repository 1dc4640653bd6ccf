package survey

import (
	"context"
	"encoding/json"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

// maxAlerts is how many alerts are looked through, the newest first.
const maxAlerts = 20_000

// alerts reads how far the watch over the log is, and what became of its alerts.
func (s *survey) alerts(ctx context.Context) error {
	w, err := s.Store.Watched(ctx)
	if err != nil {
		return err
	}
	a := &s.facts.Alerts
	a.Evaluated = w.At
	seen := map[int64]bool{}                   // it may resolve between the two
	for _, open := range []bool{true, false} { // an old one may be open still
		page := store.Page{Limit: 1000}
		for more := true; more; {
			rows, next, err := s.Store.Alerts(ctx, open, page)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if a.Lost = len(seen) >= maxAlerts; a.Lost || !open && row.Opened.Before(s.facts.Since) {
					next = ""
					break
				}
				if seen[row.ID] {
					continue
				}
				if seen[row.ID], err = true, s.alert(row); err != nil {
					return err
				}
			}
			page.After, more = next, next != ""
		}
	}
	return nil
}

// alert counts one that is open, or came in the period.
func (s *survey) alert(row store.Alert) error {
	var body alert.Alert
	if err := json.Unmarshal(row.Body, &body); err != nil {
		return err
	}
	one := compliance.Alert{
		ID: row.ID, Rule: body.Rule, Severity: body.Severity.String(), Subject: plain.Clean(body.Subject, pathText), Facts: plain.Clean(body.Facts[1], 1024),
		Opened: row.Opened, By: plain.Clean(row.By, pathText), Word: plain.Clean(row.Word, 1024),
	}
	if one.Subject == "" {
		one.Subject = plain.Clean(body.Key, pathText)
	}
	for _, t := range []struct {
		from *time.Time
		to   *time.Time
	}{{row.Acknowledged, &one.Acknowledged}, {row.Resolved, &one.Resolved}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	s.facts.Alerts.Add(one, s.facts.Since)
	return nil
}
