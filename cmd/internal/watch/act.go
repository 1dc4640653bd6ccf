package watch

import (
	"context"
	"errors"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// acting is what is done at once; the rest is for people.
const acting = 50

// acts reports whether policy says that what a rule proposes is to be done. An identity can
// be suspended; to block an address or to pause a rollout is proposed to people, who have
// the means.
func (s *session) acts(c alert.Change) bool {
	return (c.Propose == alert.Suspend || c.Propose == alert.Hold) && s.Registrar.Policies.Current().Acts(c.Alert.Rule)
}

// act does what is to be done about alerts. What cannot be done now stays to be done.
func (s *session) act(ctx context.Context) error {
	todo, err := s.Store.AlertActions(ctx, acting)
	if err != nil {
		return err
	}
	for _, a := range todo {
		row, err := s.Store.Alert(ctx, a.Alert)
		if err != nil {
			return err
		}
		about, err := Of(row)
		if err != nil {
			return err
		}
		err = s.Registrar.SuspendFor(ctx, a.Subject, enroll.Finding{Alert: a.Alert, Rule: about.Rule, Why: about.Facts[1], Hold: a.Action == string(alert.Hold)})
		var conflict *enroll.ConflictError
		var denied *ca.DeniedError
		switch {
		case err == nil:
			s.Log.WarnContext(ctx, "suspended for an alert", "identity", a.Subject, "alert", a.Alert, "rule", about.Rule)
		case errors.As(err, &conflict), errors.As(err, &denied), errors.Is(err, store.ErrNotFound):
			s.Log.InfoContext(ctx, "not suspended for an alert", "identity", a.Subject, "alert", a.Alert, "reason", err)
		default:
			return err
		}
		if err := s.Store.FinishAlertAction(ctx, a); err != nil {
			return err
		}
	}
	return nil
}
