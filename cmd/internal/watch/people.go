package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
)

const (
	maxWord  = 512                // bytes of what somebody says
	maxSite  = 96                 // bytes of a site's name, as the rules have it
	maxQuiet = 7 * 24 * time.Hour // of planned work
)

// Acknowledge records that somebody has seen an alert, and his word. It stays open until it
// resolves; whoever says it again replaces the word. The errors are store.ErrNotFound, a
// [*enroll.ConflictError] if it is resolved, and a [*api.BadRequestError].
func (w *Watch) Acknowledge(ctx context.Context, by enroll.Actor, id int64, word string) (alert.Alert, error) {
	if err := printable("word", word, maxWord); err != nil {
		return alert.Alert{}, err
	}
	row, err := w.Store.Alert(ctx, id)
	if err != nil {
		return alert.Alert{}, err
	}
	a, err := Of(row)
	if err != nil {
		return alert.Alert{}, err
	}
	a.State, a.By, a.Word = alert.Acknowledged, by.Name, word
	e := alert.Change{What: alert.Acknowledging, Alert: a}.Event()
	err = w.Store.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.AcknowledgeAlert(id, by.Name, word)
		return done(ctx, tx, by, e)
	})
	if errors.Is(err, store.ErrStale) {
		return alert.Alert{}, &enroll.ConflictError{Detail: fmt.Sprintf("alert %d is resolved: there is nothing to acknowledge", id)}
	}
	return a, err
}

// Quiet records that there is planned work at a site, "" everywhere, until a time: baselines
// and fleet rules are silent there, invariants never are. A time that is past ends it. The
// error is a [*api.BadRequestError].
func (w *Watch) Quiet(ctx context.Context, by enroll.Actor, site string, until time.Time, reason string) error {
	if err := printable("reason", reason, maxWord); err != nil {
		return err
	}
	if site != "" {
		if err := printable("site", site, maxSite); err != nil {
			return err
		}
	}
	if most := w.Now().Add(maxQuiet); until.After(most) {
		return malformed("planned work lasts 7 days at most: until %s at the latest", most.UTC().Format(time.RFC3339))
	}
	return w.Store.Update(ctx, func(tx *store.Tx) audit.Event {
		return done(ctx, tx, by, audit.Event{Action: "alert.quiet", Actor: by.Name, Subject: by.Name, Outcome: "ok", Detail: map[string]any{
			"site": site, "until": until.UTC().Format(time.RFC3339), "reason": reason,
		}})
	})
}

// done has somebody do something by the powers that he needs for it.
func done(ctx context.Context, tx *store.Tx, by enroll.Actor, e audit.Event) audit.Event {
	for _, id := range by.Powers {
		tx.UsePower(id, by.Name)
	}
	if by.Address.IsValid() {
		e.Address = by.Address.String()
	}
	e.RequestID = enroll.RequestID(ctx)
	return e
}

// printable refuses texts that say nothing, or could begin a line.
func printable(what, text string, most int) error {
	switch {
	case strings.TrimSpace(text) == "":
		return malformed("the %s is missing", what)
	case len(text) > most:
		return malformed("the %s is longer than %d bytes", what, most)
	case !utf8.ValidString(text), strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		return malformed("the %s holds a character that cannot be printed", what)
	}
	return nil
}

func malformed(format string, args ...any) error {
	return &api.BadRequestError{Status: 400, Detail: fmt.Sprintf(format, args...)}
}
