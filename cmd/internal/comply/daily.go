package comply

import (
	"context"
	"errors"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/survey"
)

const (
	every = 24 * time.Hour
	look  = time.Hour // between two looks whether it is time
)

// Run makes a run once a day, of the profile that is law, until ctx ends; it returns nil.
// Of several daemons on a database one does. The first run comes an hour after the start,
// when there is one due: a daemon that is started again and again shall not spend its time
// with it.
func (o *Office) Run(ctx context.Context) error {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if !o.Store.Eldest() {
			continue
		}
		if err := o.Daily(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrBusy) {
			o.Log.ErrorContext(ctx, "the daily check of the safeguards failed", "error", err)
		}
	}
}

// Daily makes a run if the last one that a daemon made by itself is a day old.
func (o *Office) Daily(ctx context.Context) error {
	due, err := o.due(ctx)
	if err != nil || !due {
		return err
	}
	in, err := o.run(ctx, enroll.Daemon(), compliance.Current, true, nil)
	if err != nil {
		return err
	}
	o.Log.InfoContext(ctx, "checked the safeguards", "profile", in.Run.Profile, "failed", in.Run.Failed(), "not_tested", in.Run.Counts[compliance.NotTested])
	return nil
}

// due looks whether a day has passed, an hour's look more or less.
func (o *Office) due(ctx context.Context) (bool, error) {
	since := o.Now().Add(look/2 - every)
	page := store.Page{Limit: 100}
	for {
		entries, next, err := o.Store.AuditEntries(ctx, store.AuditFilter{Action: survey.ActionRun, Since: since}, page)
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			if e.Detail["daily"] == true {
				return false, nil
			}
		}
		if next == "" {
			return true, nil
		}
		page.After = next
	}
}
