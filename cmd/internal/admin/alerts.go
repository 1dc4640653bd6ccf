package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/watch"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// listAlerts lists alerts. A page of what is on record may hold none that the filter lets
// through, and have others behind it.
func (a *Admin) listAlerts(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "all", "severity", "site", "since")
	if err != nil {
		return err
	}
	all, err := flag(q, "all")
	if err != nil {
		return err
	}
	var least alert.Severity
	if text := q.Get("severity"); text != "" {
		if err := least.UnmarshalText([]byte(text)); err != nil {
			return malformed("severity is critical, high, medium or low")
		}
	}
	since, err := moment(q, "since")
	if err != nil {
		return err
	}
	rows, next, err := a.Store.Alerts(r.Context(), !all, page)
	if err != nil {
		return err
	}
	out := adminapi.Page[adminapi.Alert]{Items: []adminapi.Alert{}, Next: next}
	for _, row := range rows {
		x, err := watch.Of(row)
		if err != nil {
			return err
		}
		if x.Severity >= least && (q.Get("site") == "" || x.Site == q.Get("site")) && !x.Opened.Before(since) {
			out.Items = append(out.Items, alertOf(row, x))
		}
	}
	return reply(w, http.StatusOK, out)
}

// showAlert tells of an alert, with what the log says that it rests on, and what became of it.
func (a *Admin) showAlert(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	id, err := alertID(r)
	if err != nil {
		return err
	}
	row, err := a.Store.Alert(r.Context(), id)
	if err != nil {
		return found(err, alertName(id))
	}
	x, err := watch.Of(row)
	if err != nil {
		return err
	}
	out := alertOf(row, x)
	for i, e := range out.Entries {
		if e.Origin != "" {
			continue
		}
		entries, err := a.Store.EntriesAfter(r.Context(), e.Seq-1, 1)
		if err != nil {
			return err
		}
		if len(entries) == 1 && entries[0].Seq == e.Seq { // or it is in the archive
			out.Entries[i].At, out.Entries[i].Action = &entries[0].At, entries[0].Action
		}
	}
	if out.History, err = a.historyOf(r.Context(), x); err != nil {
		return err
	}
	return reply(w, http.StatusOK, out)
}

// Bounds of a history.
const (
	maxSteps = 100
	maxPages = 10 // of the log's entries about the same machine
)

// historyOf returns the log's entries about an alert, the oldest first: of very many the
// newest.
func (a *Admin) historyOf(ctx context.Context, x alert.Alert) (steps []adminapi.AlertStep, err error) {
	f := store.AuditFilter{Subject: cmp.Or(x.Subject, alert.Name(x.ID)), Since: x.Opened.Add(-time.Hour)}
	page := store.Page{Limit: 1000}
	for range maxPages {
		entries, next, err := a.Store.AuditEntries(ctx, f, page)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			was, what, ok := alert.FromEntry(e)
			if !ok || was.ID != x.ID || len(steps) == maxSteps {
				continue
			}
			step := adminapi.AlertStep{Seq: e.Seq, At: e.At, What: string(what), Actor: e.Actor, Text: was.Facts[1]}
			switch what {
			case alert.Acknowledging:
				step.Text = was.Word
			case alert.Resolving:
				step.Text = was.Why
			}
			steps = append(steps, step)
		}
		if page.After = next; next == "" {
			break
		}
	}
	slices.Reverse(steps)
	return steps, nil
}

// acknowledgeAlert puts on record that somebody has seen an alert.
func (a *Admin) acknowledgeAlert(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := alertID(r)
	if err != nil {
		return err
	}
	var in adminapi.ReviewRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if _, err := a.Watch.Acknowledge(r.Context(), by, id, in.Word); err != nil {
		return found(err, alertName(id))
	}
	row, err := a.Store.Alert(r.Context(), id)
	if err != nil {
		return found(err, alertName(id))
	}
	x, err := watch.Of(row)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, alertOf(row, x))
}

// quiet puts on record that there is planned work.
func (a *Admin) quiet(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.QuietRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Until.IsZero() {
		return malformed("until is missing: when the work is over")
	}
	if err := a.Watch.Quiet(r.Context(), by, in.Site, in.Until, in.Reason); err != nil {
		return err
	}
	return reply(w, http.StatusOK, in)
}

func alertID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, malformed("an alert is known by a number, such as 12")
	}
	return id, nil
}

func alertName(id int64) string { return "alert " + strconv.FormatInt(id, 10) }

func alertOf(row store.Alert, x alert.Alert) adminapi.Alert {
	rule, _ := alert.RuleOf(x.Rule)
	out := adminapi.Alert{
		ID: x.ID, Rule: x.Rule, Class: string(rule.Class), Title: rule.Title, Severity: x.Severity.String(), State: string(x.State),
		Site: x.Site, Subject: x.Subject, Subjects: x.Subjects, Opened: x.Opened, Last: x.Last, Count: x.Count, Facts: x.Facts, Do: rule.Do,
		Acknowledged: row.Acknowledged, By: x.By, Word: x.Word, Resolved: row.Resolved, Why: x.Why, Entries: []adminapi.AlertEntry{},
	}
	for _, e := range x.Entries {
		out.Entries = append(out.Entries, adminapi.AlertEntry{Origin: e.Origin, Seq: e.Seq})
	}
	return out
}
